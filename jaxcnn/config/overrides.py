"""How the command line overrides fields that are dicts."""

from typing import Any

from absl import flags
from ml_collections import config_flags

from jaxcnn.config.mappings import parsed


class MappingParser(flags.ArgumentParser):
    """Reads --config.model_args and --config.optim.layer_rates.

    Both "{'fc': 10, '*/bn1': 0.1}" and "fc=10, conv1=0.5" are read, and "('fc=10',)" of older
    command lines.
    """

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
