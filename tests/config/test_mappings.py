"""Fields that are dicts, and what is read in their place."""

import pytest

from jaxcnn.config.mappings import check_multiples, model_fields, multiples
from jaxcnn.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", {}),
        ("dropout_rate=0.3, shortcut='A'", {"dropout_rate": 0.3, "shortcut": "A"}),
        ("{'stages': [1, [2]]}", {"stages": (1, (2,))}),
        ({"stages": [1, 2]}, {"stages": (1, 2)}),
    ],
)
def test_fields_of_networks(given, expected):
    assert model_fields(given) == expected


@pytest.mark.parametrize("given", ["**{'a': 1}", "dropout_rate", "x=open('f')", "1", None])
def test_what_is_no_mapping_is_one_sentence(given):
    with pytest.raises(ConfigError, match="does not read as fields of the network") as caught:
        model_fields(given)
    assert "\n" not in str(caught.value)


def test_multiples():
    assert multiples(("fc=10", "*/bn1=0.5")) == {"fc": 10.0, "*/bn1": 0.5}
    assert multiples("fc=10") == multiples({"fc": 10}) == {"fc": 10}
    assert multiples(()) == {}


@pytest.mark.parametrize("given", [("fc",), ("fc=-1",), ("=2",), ("fc=inf",), ("fc=x",)])
def test_texts_that_are_no_multiples_are_one_sentence(given):
    with pytest.raises(ConfigError, match=r"write {LAYER: MULTIPLE} with a multiple of 0 or more"):
        multiples(given)


@pytest.mark.parametrize("rate", [-1, "10", None, True, float("nan")])
def test_multiples_are_numbers(rate):
    with pytest.raises(ConfigError, match="layer_rates gives 'fc' the multiple"):
        check_multiples({"fc": rate})
