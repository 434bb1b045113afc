"""The fields of a config that are mappings, read from what was written in their place.

`Config.model_args` was text until 2026-11, "dropout_rate=0.3, shortcut='A'", and
`Optim.layer_rates` a tuple of "LAYER=MULTIPLE"; stored configs and checkpoints have them.
"""

import ast
import math
from typing import Any

from jaxcnn.errors import ConfigError


def model_fields(given: Any) -> dict[str, Any]:
    """`config.model_args` as fields of the network, sequences as tuples.

    Raises ConfigError where it is neither a dict nor text like "dropout_rate=0.3, shortcut='A'".
    """
    if not isinstance(given, dict):
        try:
            given = parsed(str(given))
        except ValueError:
            raise ConfigError(
                f"config.model_args={given!r} does not read as fields of the network; write it "
                'like {"dropout_rate": 0.3, "shortcut": "A"}'
            ) from None
    return {str(name): _hashable(value) for name, value in given.items()}


def multiples(given: Any) -> dict[str, Any]:
    """`config.optim.layer_rates` as {layer pattern: multiple of the rate}.

    Raises ConfigError where it is neither a dict nor a sequence of "LAYER=MULTIPLE".
    """
    if isinstance(given, dict):
        return dict(given)
    found: dict[str, Any] = {}
    for text in (given,) if isinstance(given, str) else given:
        pattern, _, number = str(text).partition("=")
        try:
            found[pattern] = float(number)
        except ValueError:
            found[pattern] = number
    check_multiples(found)
    return found


def check_multiples(rates: dict[str, Any]) -> None:
    """Raises ConfigError for a multiple of `optim.layer_rates` that is no number of 0 or more."""
    for pattern, multiple in rates.items():
        number = isinstance(multiple, int | float) and not isinstance(multiple, bool)
        if not (pattern and number and 0 <= multiple < math.inf):
            raise ConfigError(
                f"config.optim.layer_rates gives {pattern!r} the multiple {multiple!r}; write "
                '{LAYER: MULTIPLE} with a multiple of 0 or more, such as {"fc": 10}'
            )


def parsed(text: str) -> dict[str, Any]:
    """The dict that `text` writes as a literal or as keywords; raises ValueError where none."""
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return _keywords(text)
    if isinstance(value, tuple | list):
        return multiples(value) if value else {}
    if not isinstance(value, dict):
        raise ValueError(f"{text!r} is no mapping; write it like {{'name': value}} or name=value")
    return value


def _keywords(text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not all(k.arg for k in call.keywords):
            raise ValueError
        return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
    except (SyntaxError, ValueError):
        raise ValueError(
            f"{text!r} is no mapping; write it like {{'name': value}} or name=value"
        ) from None


def _hashable(value: Any) -> Any:
    """`value` with lists as tuples, as the fields of networks are."""
    return tuple(_hashable(item) for item in value) if isinstance(value, list | tuple) else value
