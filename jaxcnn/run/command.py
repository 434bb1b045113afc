"""The command line of a run: its flags, its config file, and the overrides of its fields.

Everything that cannot work ends in UsageError or ConfigError with one sentence. The config file is
loaded here and not by ml_collections, which would wrap its errors in a traceback; ml_collections
types and applies the overrides.
"""

import importlib.util
import os
import pathlib
import re
import sys
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from jaxcnn import own
from jaxcnn.config import overrides, recipes, schema
from jaxcnn.errors import JaxcnnError, UsageError, nearest, one_line, question
from jaxcnn.parallel.launch import START_SECONDS, Launch
from jaxcnn.run.fields import check_override, fields_like

CONFIG_FLAG = re.compile(r"--?config(?:=(.*))?", flags=re.DOTALL)


class Command(NamedTuple):
    """What a command line asks for."""

    config: schema.Config
    workdir: str
    launch: Launch
    preflight: bool
    profile: str
    report: bool = False
    target: str = ""  # of a preflight that compiles for devices that are not here


def parse(argv: list[str]) -> tuple[schema.Config, str]:
    """Returns (config, workdir) of a command line; raises UsageError or ConfigError."""
    asked = command(argv)
    return asked.config, asked.workdir


def command(argv: list[str]) -> Command:
    """Returns all that a command line says; raises UsageError or ConfigError."""
    overrides.register()
    named, rest = _config_file(argv)
    rest, entries = overrides.take_entries(rest)
    config = load_config(named)
    for argument in rest:
        check_override(argument)
    values, holder = _define(config, rest)
    try:
        stray = values(rest)[1:]
    except flags.UnrecognizedFlagError as error:
        raise UsageError(_unknown_flag(error.flagname, values)) from None
    except (flags.Error, ValueError, TypeError, AttributeError, LookupError) as error:
        raise UsageError(one_line(error, 400)) from None
    if stray:
        raise UsageError(
            f"unexpected argument {stray[0]!r}; settings are written --config.field=value"
        )
    if not values.workdir:
        raise UsageError(
            "--workdir is missing; give a directory for checkpoints and metrics, "
            "such as --workdir=runs/lenet"
        )
    if values.target and not values.preflight:
        raise UsageError("--target says what a look before the run is for; add --preflight")
    launch = Launch(
        coordinator_address=values.coordinator_address,
        num_processes=values.num_processes,
        process_id=values.process_id,
        start_timeout=values.start_timeout,
    )
    overrides.set_entries(holder.value, entries)
    return Command(
        config=holder.value,
        workdir=values.workdir,
        launch=launch,
        preflight=values.preflight,
        profile=values.profile,
        report=values.report == "on",
        target=values.target,
    )


def report_default() -> str:
    """ "on", or "off" where the variable JAXCNN_REPORT says so: whether reports are written."""
    return "off" if os.environ.get("JAXCNN_REPORT") == "off" else "on"


def help_text() -> str:
    """The flags, for --help."""
    values, _ = _define(schema.Config(), ["main"])
    return values.get_help()


def _define(
    config: schema.Config, argv: list[str]
) -> tuple[flags.FlagValues, flags.FlagHolder[schema.Config]]:
    """The flags, with one for every override of `config` in `argv`."""
    values = flags.FlagValues()
    holder = config_flags.DEFINE_config_dataclass(
        "config",
        config,
        "Config file, with an optional :variant.",
        flag_values=values,
        sys_argv=argv,
    )
    text = {
        "workdir": (
            None,
            "Where checkpoints, metrics and pictures go; the same for all processes.",
        ),
        "profile": ("", "FIRST:LAST, steps to trace into WORKDIR/profile."),
        "target": (
            "",
            "With --preflight: compile for v5e:4x4, v4:2x2x2, h100:8 ..., which need not be here.",
        ),
        "coordinator_address": (None, "host:port of process 0, the same for all processes."),
    }
    for name, (default, about) in text.items():
        flags.DEFINE_string(name, default, about, flag_values=values)
    whole = {
        "num_processes": (None, "How many processes; 1 alone means one, wherever it runs.", 1),
        "process_id": (None, "Which of them this one is, from 0.", 0),
        "start_timeout": (START_SECONDS, "Seconds in which all processes must have started.", 1),
    }
    for name, (default, about, least) in whole.items():
        flags.DEFINE_integer(name, default, about, least, flag_values=values)
    looking = "Look at data, disk and speed, draw a batch, and train nothing."
    flags.DEFINE_enum(
        "report",
        report_default(),
        ["on", "off"],
        "Whether a finished run writes WORKDIR/report.html (docs/pages.md).",
        flag_values=values,
    )
    flags.DEFINE_bool("preflight", False, looking, flag_values=values)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    return values, holder


def _config_file(argv: list[str]) -> tuple[str, list[str]]:
    """Returns the value of --config, the last where there are several, and `argv` without it.

    Raises UsageError where it is missing.
    """
    named, rest = "", []
    arguments = iter(argv)
    for argument in arguments:
        match = CONFIG_FLAG.fullmatch(argument)
        if not match:
            rest.append(argument)
        elif match.group(1) is not None:
            named = match.group(1)
        else:
            named = next(arguments, "")
    if not named:
        raise UsageError(
            "--config is missing; give a config file, such as --config=configs/lenet.py"
        )
    return named, rest


def load_config(named: str) -> schema.Config:
    """Runs `get_config` of the config file FILE or FILE:VARIANT and returns its Config.

    FILE is a path, or the name of a recipe that comes with the package. Raises UsageError or
    ConfigError.
    """
    file, colon, variant = named.partition(":")
    path = recipes.find(file)
    if not path.is_file():
        raise UsageError(_no_config_file(path))
    if path.parent != recipes.folder():
        own.search(path.parent)  # a config file may name what it holds itself
    try:
        module = load_module(path)
        config = module.get_config(variant) if colon else module.get_config()
    except JaxcnnError:
        raise
    except Exception as error:  # config files are programs
        raise UsageError(
            f"the config file {named} failed: {type(error).__name__}: {one_line(error, 400)}"
        ) from None
    if not isinstance(config, schema.Config):
        raise UsageError(
            f"get_config of {path} returned {type(config).__name__}; "
            "it must return jaxcnn.config.schema.Config"
        )
    return config


def load_module(path: pathlib.Path) -> Any:
    """The config file at `path`, run as a module; raises UsageError for another kind of file."""
    spec = importlib.util.spec_from_file_location("config_file", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--config names {path}, which is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _no_config_file(path: pathlib.Path) -> str:
    """The sentence for a config file that is not there: those that lie where it was looked for."""
    here = [str(file) for file in path.parent.glob("*.py")] if path.parent.name else []
    known = sorted(here) or sorted(file.name for file in recipes.folder().glob("*.py"))
    return f"--config names {path}, which does not exist; there are: {', '.join(known)}"


def _unknown_flag(name: str, values: flags.FlagValues) -> str:
    own = [flag for flag in values if "." not in flag]
    meant = nearest(name, own) or fields_like(name)
    hint = question(f"--{flag}" for flag in meant)
    return f"there is no flag --{name}{hint}; --help lists the flags"


def wants_help(argv: list[str]) -> bool:
    """Whether the command line asks for the help text, whatever else it says."""
    return bool({"--help", "-h", "--helpfull"} & set(argv))


def interpreter() -> str:
    """The path of this Python, as one would type it here."""
    here, path = pathlib.Path.cwd(), pathlib.Path(sys.executable)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
