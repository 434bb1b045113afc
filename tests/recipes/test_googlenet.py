"""GoogLeNet's recipes against section 6 and Caffe's solver files."""

from recipe_files import FILES, config_of, fields_of


def test_the_papers_numbers():
    config = config_of("googlenet:googlenet")
    assert (config.optim.momentum, config.optim.factor, config.optim.every) == (0.9, 0.96, 8.0)
    assert (config.data.area, config.data.aspect) == ((0.08, 1.0), (3 / 4, 4 / 3))
    assert config.optim.aux_weight == 0.3


def test_caffes_solvers():
    """solver.prototxt and quick_solver.prototxt of bvlc_googlenet."""
    for name, steps in (("googlenet", 10_000_000), ("googlenet-quick", 2_400_000)):
        found = fields_of(
            f"googlenet:{name}", "optim.learning_rate", "optim.weight_decay", "optim.steps"
        )
        assert found == (0.01, 2e-4, steps)


def test_what_stands_in_for_the_paper_is_declared():
    declared = " ".join(FILES["googlenet"].__doc__.split())
    assert "Polyak averaging of weights is an exponential moving average" in declared
    assert "`googlenet_bn` is torchvision's network" in declared
