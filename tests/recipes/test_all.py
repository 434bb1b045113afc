"""Every variant of every config file: it is valid, fits its network and is documented."""

import jax
import pytest
from recipe_files import FILES, VARIANTS, abstract, config_of

from jaxcnn.config import values
from jaxcnn.config.validation import validate
from jaxcnn.errors import ConfigError
from jaxcnn.layers import naming
from jaxcnn.models import list_models
from jaxcnn.train import optim as optim_lib
from jaxcnn.train import setup


@pytest.mark.parametrize("argument", VARIANTS)
def test_every_variant_is_valid_and_fits_its_network(argument):
    config = validate(config_of(argument))
    setup.build_model(config, None)
    head = {k: v for k, v in config.model_args.items() if k == "fc_head"}
    params = abstract(config.model, **head)["params"]
    for patterns in (config.frozen, config.fresh, config.optim.no_decay):
        naming.frozen(params, patterns)  # raises for a pattern that names nothing
    if config.optim.layer_rates:  # and so does this
        jax.eval_shape(optim_lib.make_optimizer(config.optim, 10.0).init, params)
    assert values.from_dict(values.to_dict(config)) == config


def test_every_network_has_a_recipe():
    trained = {config_of(argument).model for argument in VARIANTS}
    assert trained == set(list_models())


@pytest.mark.parametrize("file", FILES)
def test_a_file_documents_itself_and_names_its_variants(file):
    module = FILES[file]
    assert f"--config=configs/{file}.py" in module.__doc__
    assert "Measured here: not run" in " ".join(module.__doc__.split()) or file == "lenet"
    assert module.get_config() in [module.get_config(variant) for variant in module.VARIANTS]
    expected = rf"configs/{file}\.py has no variant 'nonsense'"
    with pytest.raises(ConfigError, match=expected) as caught:
        module.get_config("nonsense")
    assert "\n" not in str(caught.value)


def test_the_nearest_variant_is_named():
    expected = r"no variant 'vgg16-modren' \(did you mean vgg16-modern\?\); there are: vgg11, "
    with pytest.raises(ConfigError, match=expected):
        FILES["vgg"].get_config("vgg16-modren")
