"""The options of the benchmark."""

import pytest

from jaxcnn.commands import benchmark
from jaxcnn.config.schema import PRECISIONS, Sharding
from jaxcnn.measure.options import MODES, parse


def test_precision_is_spelt_as_in_configs_and_as_it_was():
    spellings = {"fp32": "float32", "bf16": "bfloat16"} | {name: name for name in PRECISIONS}
    for given, name in spellings.items():
        assert parse(["--models=x", f"--precision={given}"], "").precision == name


def test_every_mode_has_a_flag_and_a_function():
    assert {"step", *MODES} == set(benchmark.MODES)
    for mode in MODES:
        assert parse([f"--{mode}", "--models=x"], "").mode == mode
    assert parse(["--models=x"], "").mode == "step"


def test_meshes_fields_and_settings():
    options = parse(
        ["--collectives", "--models=x", "--mesh=data=4,model=2,fsdp", "--model-args=stages=(1, 2)"],
        "",
    )
    assert options.mesh == Sharding(4, 2, fsdp=True) and options.model_args == {"stages": (1, 2)}
    assert parse(["--loop", "--config.seed=3"], "").settings == ["--config.seed=3"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--models=x", "--precision=float16"], "expected float32 or bfloat16, found 'float16'"),
        (["--models=x", "--mesh=4x2"], "expected data=D,model=M"),
        (["--models=x", "--batch=0"], "expected a whole number of at least 1, found '0'"),
        (["--collectives", "--models=x", "--model-args=y"], "does not read as fields"),
        (["--collectives"], "--models A,B says which networks to take"),
        (["--loop", "--config-seed=3"], "unrecognized argument --config-seed=3"),
    ],
)
def test_what_does_not_read_is_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(arguments, "")
    assert caught.value.code == 2 and sentence in capsys.readouterr().err
