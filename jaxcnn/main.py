"""Trains the network of a config file.

    jaxcnn train --config=lenet.py --workdir=runs/lenet
    jaxcnn train --config=lenet.py:lenet5 --workdir=runs/lenet5 --config.optim.learning_rate=0.02
    jaxcnn train --config=vgg.py --workdir=runs/vgg --preflight

`python -m jaxcnn.main` is the same command. --config takes a file or the name of a recipe that
comes with the package, which `jaxcnn recipes` lists.

--preflight looks at data, disk, loader and step, and trains nothing. With --target=v5e:4x4 (or
v4:2x2x2, h100:8 ...) it compiles the steps for accelerators that are not here, and says whether
they fit and what bounds them.

The same command resumes a run that was stopped. Several processes become one run by
--coordinator_address, --num_processes and --process_id, or by themselves under Slurm, Kubernetes
and on Cloud TPU slices (docs/scaling.md).

Exit codes: 0 done (also if it was done before), 1 the run failed, 2 a flag or setting that cannot
work, 75 stopped by SIGTERM or Ctrl-C with everything saved, 130 stopped by Ctrl-C before training
began or by a second one.
"""

import os
import pathlib
import sys
import traceback

import jax
import rich.console

from jaxcnn.errors import DONE, FAILED, KILLED, DeviceMemoryError, JaxcnnError
from jaxcnn.files import writing
from jaxcnn.parallel import failures, joining
from jaxcnn.run import command, logs
from jaxcnn.run.platform import on_the_cpu

CACHE = "JAX_COMPILATION_CACHE_DIR"


def main(argv: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    argv = sys.argv if argv is None else argv
    if command.wants_help(argv):
        print(f"{__doc__}\n{command.help_text()}")
        return DONE
    try:
        run(command.command(argv))
        return DONE
    except JaxcnnError as error:
        return _end(error)
    except KeyboardInterrupt:
        said = "the newest checkpoint stands and the same command goes on from it"
        print(f"interrupted at once; {said}", file=sys.stderr)
        joining.end(f"interrupted at once; {said}", KILLED)
        return KILLED
    except BaseException as error:  # a bug: the other processes would wait for this one
        joining.end(f"{type(error).__name__}: {error}", FAILED, traceback.format_exc())
        raise


def run(asked: command.Command) -> None:
    """Trains what `asked` says, or looks at it with --preflight.

    Raises JaxcnnError with one sentence.
    """
    if asked.target:
        return _rehearse(asked)
    if asked.config.deterministic:  # XLA reads its flags when the first device is touched
        given = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{given} --xla_gpu_deterministic_ops=true".strip()
    joining.initialize(asked.launch)  # before anything touches a device
    logs.setup_logging()
    _keep_programs()
    # Loaded only now, since they take seconds: a flag that cannot work is said at once.
    from jaxcnn.train import loop, preflight

    with failures.translated(), writing(asked.workdir):
        if asked.preflight:
            for line in preflight.preflight(asked.config, asked.workdir):
                print(line, flush=True)
            return
        result = loop.train(asked.config, asked.workdir, asked.profile)
    if jax.process_index() == 0:
        _report(result, asked.workdir)
        pixels = "eval_mean_iu" in result  # a report is of classified images
        if asked.report and not pixels and not result.get("already_finished"):
            from jaxcnn.pages import report

            for page in report.automatic(asked.workdir):
                print(f"  report      {page}")


def _rehearse(asked: command.Command) -> None:
    """Compiles the steps for the devices of --target, and prints what they cost; touches no data.

    Raises JaxcnnError with one sentence.
    """
    from jaxcnn.costs.devices import parse_slice
    from jaxcnn.costs.report import layer_table, lines
    from jaxcnn.train import rehearsal

    on_the_cpu()
    console = rich.console.Console(highlight=False)
    for step in (rehearsal.TRAINING, rehearsal.EVALUATION):
        found = rehearsal.rehearse(asked.config, parse_slice(asked.target), step)
        console.print("\n".join(lines(found.row())), markup=False, soft_wrap=True)
        if found.forecast:
            console.print(layer_table(found.forecast.layers))
        if not found.fits:
            raise DeviceMemoryError(
                f"the {step} step of {asked.config.model} does not run on {asked.target}"
            )


def _keep_programs() -> None:
    """Keeps compiled programs on disk, since a resumed run should not compile again.

    JAX's own variable moves them.
    """
    if CACHE not in os.environ:
        folder = pathlib.Path.home() / ".cache" / "jaxcnn" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))


def _end(error: JaxcnnError) -> int:
    """Says why this process ends, and returns the exit code.

    It ends the others too, unless they end by themselves at the same step.
    """
    if not error.together:
        print(error.sentence, file=sys.stderr)
        joining.end(str(error), error.exit_code)
    elif jax.process_index() == 0:
        print(error.sentence, file=sys.stderr)
    return error.exit_code


def _report(result: dict, workdir: str) -> None:
    """Says what the run reached and where everything lies."""
    path = pathlib.Path(workdir)
    done = "was finished already" if result.get("already_finished") else "finished"
    kind = logs.kind_of(result.get("eval_split", ""))
    reached, next_ = f"{kind} accuracy {result['eval_top1']:.2%}", "evaluate"
    if "eval_mean_iu" in result:
        next_ = "evaluate-segmentation"
        reached = f"mean IU {result['eval_mean_iu']:.2%}, pixel accuracy {result['eval_top1']:.2%}"
    lines = [
        f"{done}: {reached} of {result['eval_count']:,.0f} images, "
        f"step {result['step']}, {result['wall_s']:.1f} s",
        f"  checkpoint  {path / 'checkpoints' / str(result['step'])}",
        f"  metrics     {path / logs.METRICS}    (TensorBoard: tensorboard --logdir {path})",
        *(f"  picture     {picture}" for picture in sorted(path.glob("*.png"))),
        f"  next        {command.interpreter()} -m jaxcnn {next_} --workdir {path}",
    ]
    console = rich.console.Console(soft_wrap=True)
    console.print("\n".join(lines), highlight=False, markup=False)


if __name__ == "__main__":
    sys.exit(main())
