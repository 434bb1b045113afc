"""Trains the network of a config file.

  python -m jaxcnn.main --config=configs/lenet.py --workdir=runs/lenet
  python -m jaxcnn.main --config=configs/lenet.py:lenet5 --workdir=runs/lenet5 --config.optim.learning_rate=0.02
  python -m jaxcnn.main --config=configs/vgg.py --workdir=runs/vgg --preflight    # data, disk, loader against step; trains nothing

The same command resumes a run that was stopped. Several processes become one run by --coordinator_address, --num_processes and
--process_id, or by themselves under Slurm, Kubernetes and on Cloud TPU slices (docs/scaling.md). Exit codes: 0 done (also if it was done
before), 1 the run failed, 2 a flag or setting that cannot work, 75 stopped by SIGTERM or Ctrl-C with everything saved, 130 stopped by Ctrl-C
before training began or by a second one.
"""

import difflib
import os
import pathlib
import re
import sys
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from absl import flags
from ml_collections import config_flags

if TYPE_CHECKING:
    from jaxcnn.config.schema import Config
    from jaxcnn.parallel.launch import Launch

EXIT_FAILED, EXIT_USAGE, EXIT_KILLED = 1, 2, 130


class Command(NamedTuple):
    """What a command line asks for."""

    config: "Config"
    workdir: str
    launch: "Launch"
    preflight: bool
    profile: str


def _define(argv: list[str]) -> tuple[flags.FlagValues, flags.FlagHolder]:
    values = flags.FlagValues()
    about = "Config file, with an optional :variant."
    config = config_flags.DEFINE_config_file(
        "config", None, about, flag_values=values, sys_argv=argv
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "Where checkpoints, metrics and pictures go; the same for all processes.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "preflight",
        False,
        "Look at data, disk and speed, draw a batch, and train nothing.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "profile", "", "FIRST:LAST, steps to trace into WORKDIR/profile.", flag_values=values
    )
    flags.DEFINE_string(
        "coordinator_address",
        None,
        "host:port of process 0, the same for all processes.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_processes",
        None,
        "How many processes; 1 alone means one, wherever it runs.",
        1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "process_id", None, "Which of them this one is, from 0.", 0, flag_values=values
    )
    flags.DEFINE_integer(
        "start_timeout",
        300,
        "Seconds in which all processes must have started.",
        1,
        flag_values=values,
    )
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    return values, config


def _config_file(argv: list[str]) -> str:
    """The --config file, checked here because a missing one or a bad variant would end in a library's traceback."""
    given = [a.split("=", 1)[1] for a in argv if re.fullmatch(r"--?config=.+", a)]
    given += [argv[i + 1] for i, a in enumerate(argv[:-1]) if a in ("--config", "-config")]
    if not given:
        raise flags.Error(
            "--config is missing; give a config file, such as --config=configs/lenet.py"
        )
    path = pathlib.Path(given[-1].split(":", 1)[0])
    if not path.is_file():
        there = sorted(
            str(p)
            for p in (path.parent if path.parent.is_dir() else pathlib.Path("configs")).glob("*.py")
        )
        raise flags.Error(
            f"--config names {path}, which does not exist; there are: {', '.join(there) or 'no config files here'}"
        )
    return given[-1]


def _check_fields(argv: list[str]) -> None:
    """Raises flags.Error for a --config.x.y that is no field, with the fields that are; ml_collections would not list them."""
    from jaxcnn.config import schema

    for argument in argv:
        match = re.match(r"--?(?:no)?config\.([\w.]+)", argument)
        section = schema.Config()
        path = match.group(1).split(".") if match else []
        for i, name in enumerate(path):
            fields = tuple(getattr(section, "__dataclass_fields__", ()))
            if name not in fields:
                where = ".".join(["config", *path[:i]])
                near = difflib.get_close_matches(name, fields, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise flags.Error(
                    f"{where} has no field {name!r}{hint}; its fields are {', '.join(fields) or 'none: it is a value'}"
                )
            section = getattr(section, name)


def parse(argv: list[str]) -> tuple["Config", str]:
    """(config, workdir) of a command line; raises flags.Error or ConfigError with one sentence."""
    return command(argv)[:2]


def command(argv: list[str]) -> Command:
    """All that a command line says; raises flags.Error or ConfigError with one sentence."""
    from jaxcnn.config import overrides
    from jaxcnn.errors import ConfigError
    from jaxcnn.parallel.launch import Launch

    overrides.register()
    argv, entries = overrides.take_entries(argv)
    values, config = _define(argv)
    if {"--help", "-h", "--helpfull"} & set(argv):
        print(f"{__doc__}\n" + values.main_module_help())
        raise SystemExit(0)
    named = _config_file(argv)
    _check_fields(argv)
    try:
        rest = values(argv)
        built = config.value
        overrides.set_entries(built, entries)
    except ConfigError:
        raise
    except (flags.Error, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        text = str(error).rsplit("ConfigError: ", 1)[
            -1
        ]  # ml_collections wraps what a config file raises in its traceback
        raise flags.Error(" ".join(text.split())) from None
    except Exception as error:
        raise flags.Error(
            f"the config file {named} failed: {type(error).__name__}: {error}"
        ) from None
    if len(rest) > 1:
        raise flags.Error(
            f"unexpected argument {rest[1]!r}; settings are written --config.field=value"
        )
    if not values.workdir:
        raise flags.Error(
            "--workdir is missing; give a directory for checkpoints and metrics, such as --workdir=runs/lenet"
        )
    launch = Launch(
        values.coordinator_address, values.num_processes, values.process_id, values.start_timeout
    )
    return Command(built, values.workdir, launch, values.preflight, values.profile)


def _report(result: dict, workdir: str) -> None:
    from rich.console import Console

    path = pathlib.Path(workdir)
    done = "was finished already" if result.get("already_finished") else "finished"
    python = (
        os.path.relpath(sys.executable)
        if sys.executable.startswith(str(pathlib.Path.cwd()))
        else sys.executable
    )
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
    from jaxcnn.errors import ConfigError

    try:
        asked = command(argv)
    except (flags.Error, ConfigError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE

    if asked.config.deterministic:  # XLA reads its flags when the first device is touched
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
        )

    from jaxcnn.errors import STOPPED
    from jaxcnn.parallel import processes

    try:
        code, said = _run(asked)
    except BaseException as error:  # several processes: the others would wait for this one
        processes.end(f"{type(error).__name__}: {error}", EXIT_FAILED, traceback.format_exc())
        raise
    if said:
        print(said, file=sys.stderr)
    if code not in (0, STOPPED):
        processes.end(said.removeprefix("error: "), code)
    return code


def _run(asked: Command) -> tuple[int, str]:
    """(exit code, what to say on stderr) of the training that `asked` for."""
    import jax

    from jaxcnn.errors import (
        STOPPED,
        CheckpointError,
        ConfigError,
        DataError,
        Interrupted,
        RunError,
        StartError,
        UnreadableError,
    )
    from jaxcnn.parallel import processes
    from jaxcnn.run import logs
    from jaxcnn.train import loop, preflight

    try:
        processes.initialize(asked.launch)  # before anything touches a device
        logs.setup_logging()
        if (
            "JAX_COMPILATION_CACHE_DIR" not in os.environ
        ):  # a resumed run should not compile again; JAX_COMPILATION_CACHE_DIR moves it
            jax.config.update(
                "jax_compilation_cache_dir", str(pathlib.Path.home() / ".cache" / "jaxcnn" / "xla")
            )
        if asked.preflight:
            for line in preflight.preflight(asked.config, asked.workdir):
                print(line, flush=True)
            return 0, ""
        result = loop.train(asked.config, asked.workdir, asked.profile)
    except UnreadableError as error:
        return EXIT_FAILED, f"error: {error}"
    except (ConfigError, DataError, StartError) as error:
        return EXIT_USAGE, f"error: {error}"
    except (RunError, CheckpointError) as error:
        return EXIT_FAILED, f"error: {error}"
    except OSError as error:  # a disk that filled up, a file system that went away
        place = error.filename or asked.workdir
        return (
            EXIT_FAILED,
            f"error: {error.strerror} ({place}); free space or mount it again, then run the same command",
        )
    except KeyboardInterrupt:
        return (
            EXIT_KILLED,
            "interrupted at once; the newest checkpoint stands and the same command goes on from it",
        )
    except Interrupted as stopped:
        return STOPPED, str(stopped) if jax.process_index() == 0 else ""
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error):
            return EXIT_FAILED, (
                f"error: the devices' memory does not hold this run ({' '.join(str(error).split())[:150]}); lower config.data.batch_size, raise "
                'config.optim.accumulate, or set config.precision="bfloat16" or config.sharding.fsdp, in a new --workdir'
            )
        if not re.search(
            "gloo|nccl|unavailable|connection|heartbeat|socket|barrier", str(error), re.IGNORECASE
        ):
            raise  # not about other processes
        time.sleep(
            2 * processes.POLL_SECONDS
        )  # if another process said why it ended, this one has ended by now with its words
        why = " ".join(str(error).split())[:200]
        return (
            EXIT_FAILED,
            f"error: another process ended or was cut off ({why}); the same command goes on from the newest checkpoint",
        )
    if jax.process_index() == 0:
        _report(result, asked.workdir)
    return 0, ""


if __name__ == "__main__":
    sys.exit(main())
