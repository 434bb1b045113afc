"""How the command line overrides fields that are dicts.

A whole dict is an ordinary flag, --config.model_args="{'dropout_rate': 0.3}" or
--config.model_args="dropout_rate=0.3". One entry is --config.model_args.dropout_rate=0.3, which
leaves the others as the config file has them; ml_collections cannot add entries, so these are taken
out of the command line before it sees them.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from jaxcnn.config.mappings import model_fields, multiples, parsed
from jaxcnn.config.schema import Config
from jaxcnn.config.validation import value_at

ENTRY = re.compile(r"--?config\.(model_args|optim\.layer_rates)\.([^=]+)=(.*)", re.DOTALL)


class Entry(NamedTuple):
    """One entry of a field that is a dict."""

    field: str  # "optim.layer_rates"
    key: str
    value: Any


class MappingParser(flags.ArgumentParser):
    """Reads a whole dict: a literal, keywords, or the "('fc=10',)" of older command lines."""

    syntactic_help = "{'name': value} or name=value, name=value"

    def parse(self, argument: Any) -> dict[str, Any]:
        """`argument` as a dict; raises ValueError where it does not read as one."""
        return dict(argument) if isinstance(argument, dict) else parsed(argument)

    def flag_type(self) -> str:
        """What --help calls the type."""
        return "mapping"


def register() -> None:
    """Lets --config.FIELD=... override fields that are dicts; called before flags are defined."""
    config_flags.register_flag_parser_for_type(dict, MappingParser())


def take_entries(argv: Sequence[str]) -> tuple[list[str], list[Entry]]:
    """(`argv` without the overrides of single entries of dicts, those entries in order)."""
    rest, entries = [], []
    for argument in argv:
        if match := ENTRY.fullmatch(argument):
            entries.append(Entry(match[1], match[2], _literal(match[3])))
        else:
            rest.append(argument)
    return rest, entries


def set_entries(config: Config, entries: Sequence[Entry]) -> None:
    """Puts the entries into the dicts of `config`, over those of the same keys."""
    config.model_args = model_fields(config.model_args)  # may still have an older form
    config.optim.layer_rates = multiples(config.optim.layer_rates)
    for entry in entries:
        value_at(config, entry.field)[entry.key] = entry.value


def _literal(text: str) -> Any:
    """A number, tuple, bool or None; anything else is the text itself, as for ml_collections."""
    if text in ("true", "false"):
        return text == "true"
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
