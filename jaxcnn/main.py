"""Trains the network of a config file.

  python -m jaxcnn.main --config=configs/lenet.py --workdir=runs/lenet
  python -m jaxcnn.main --config=configs/lenet.py:lenet5 --workdir=runs/lenet5 --config.optim.learning_rate=0.02

The same command resumes a run that was stopped. Exit codes: 0 done (also if it was done before), 1 the run failed, 2 a flag or setting
that cannot work, 75 stopped by SIGTERM or Ctrl-C with everything saved, 130 stopped by Ctrl-C before training began or by a second one.
"""

import difflib
import os
import pathlib
import re
import sys
from typing import TYPE_CHECKING

from absl import flags
from ml_collections import config_flags

if TYPE_CHECKING:
    from jaxcnn.config import Config

EXIT_FAILED, EXIT_USAGE, EXIT_KILLED = 1, 2, 130


def _define(argv: list[str]) -> tuple[flags.FlagValues, flags.FlagHolder, flags.FlagHolder]:
    values = flags.FlagValues()
    about = "Config file, with an optional :variant."
    config = config_flags.DEFINE_config_file("config", None, about, flag_values=values, sys_argv=argv)
    workdir = flags.DEFINE_string("workdir", None, "Where checkpoints, metrics and pictures go.", flag_values=values)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    return values, config, workdir


def _config_file(argv: list[str]) -> str:
    """The --config file, checked here because a missing one or a bad variant would end in a library's traceback."""
    given = [a.split("=", 1)[1] for a in argv if re.fullmatch(r"--?config=.+", a)]
    given += [argv[i + 1] for i, a in enumerate(argv[:-1]) if a in ("--config", "-config")]
    if not given:
        raise flags.Error("--config is missing; give a config file, such as --config=configs/lenet.py")
    path = pathlib.Path(given[-1].split(":", 1)[0])
    if not path.is_file():
        there = sorted(str(p) for p in (path.parent if path.parent.is_dir() else pathlib.Path("configs")).glob("*.py"))
        raise flags.Error(f"--config names {path}, which does not exist; there are: {', '.join(there) or 'no config files here'}")
    return given[-1]


def _check_fields(argv: list[str]) -> None:
    """Raises flags.Error for a --config.x.y that is no field, with the fields that are; ml_collections would not list them."""
    from jaxcnn import config as config_lib

    for argument in argv:
        match = re.match(r"--?(?:no)?config\.([\w.]+)", argument)
        section = config_lib.Config()
        path = match.group(1).split(".") if match else []
        for i, name in enumerate(path):
            fields = tuple(getattr(section, "__dataclass_fields__", ()))
            if name not in fields:
                where = ".".join(["config", *path[:i]])
                near = difflib.get_close_matches(name, fields, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise flags.Error(f"{where} has no field {name!r}{hint}; its fields are {', '.join(fields) or 'none: it is a value'}")
            section = getattr(section, name)


def parse(argv: list[str]) -> tuple["Config", str]:
    """(config, workdir) of a command line; raises flags.Error or ConfigError with one sentence."""
    from jaxcnn.config import ConfigError

    values, config, workdir = _define(argv)
    if {"--help", "-h", "--helpfull"} & set(argv):
        print(f"{__doc__}\n" + values.main_module_help())
        raise SystemExit(0)
    named = _config_file(argv)
    _check_fields(argv)
    try:
        rest = values(argv)
        built = config.value
    except ConfigError:
        raise
    except (flags.Error, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        text = str(error).rsplit("ConfigError: ", 1)[-1]  # ml_collections wraps what a config file raises in its traceback
        raise flags.Error(" ".join(text.split())) from None
    except Exception as error:
        raise flags.Error(f"the config file {named} failed: {type(error).__name__}: {error}") from None
    if len(rest) > 1:
        raise flags.Error(f"unexpected argument {rest[1]!r}; settings are written --config.field=value")
    if not workdir.value:
        raise flags.Error("--workdir is missing; give a directory for checkpoints and metrics, such as --workdir=runs/lenet")
    return built, workdir.value


def _report(result: dict, workdir: str) -> None:
    from rich.console import Console

    path = pathlib.Path(workdir)
    done = "was finished already" if result.get("already_finished") else "finished"
    python = os.path.relpath(sys.executable) if sys.executable.startswith(str(pathlib.Path.cwd())) else sys.executable
    lines = [
        f"{done}: test accuracy {result['eval_top1']:.2%} of {result['eval_count']:,.0f} images, step {result['step']}, {result['wall_s']:.1f} s",
        f"  checkpoint  {path / 'checkpoints' / str(result['step'])}",
        f"  metrics     {path / 'metrics.jsonl'}    (TensorBoard: tensorboard --logdir {path})",
        *(f"  picture     {p}" for p in sorted(path.glob("*.png"))),
        f"  next        {python} scripts/evaluate.py --workdir {path}",
    ]
    Console(soft_wrap=True).print("\n".join(lines), highlight=False, markup=False)


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    argv = sys.argv if argv is None else argv
    from jaxcnn.config import ConfigError

    try:
        config, workdir = parse(argv)
    except (flags.Error, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE

    if config.deterministic:  # XLA reads its flags when the first device is touched
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()

    import jax

    from jaxcnn import guard, logs, train
    from jaxcnn.checkpoint import CheckpointError
    from jaxcnn.data import DataError

    logs.setup_logging()
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # a resumed run should not compile again; JAX_COMPILATION_CACHE_DIR moves it
        jax.config.update("jax_compilation_cache_dir", str(pathlib.Path.home() / ".cache" / "jaxcnn" / "xla"))
    try:
        result = train.train(config, workdir)
    except (ConfigError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (guard.RunError, CheckpointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except OSError as error:  # a disk that filled up, a file system that went away
        print(
            f"error: {error.strerror} ({error.filename or workdir}); free space or mount it again, then run the same command",
            file=sys.stderr,
        )
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("interrupted at once; the newest checkpoint stands and the same command goes on from it", file=sys.stderr)
        return EXIT_KILLED
    except guard.Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return guard.EXIT_INTERRUPTED
    _report(result, workdir)
    return 0


if __name__ == "__main__":
    sys.exit(main())
