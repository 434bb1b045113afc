"""State dicts of random arrays in PyTorch's layout."""

import numpy as np

from jaxcnn.weights.leaves import leaves

# Fields of a resnet18 that is a hundredth of the usual one.
SMALL = dict(num_classes=5, stages=(1, 1), width=4, input_shape=(16, 16, 3))


def random_state(name: str, **fields) -> dict[str, np.ndarray]:
    """A state dict of the port `name`, with its BatchNorm counters."""
    rng = np.random.default_rng(0)
    state = {
        leaf.theirs: rng.standard_normal(leaf.their_shape, np.float32)
        for leaf in leaves(name, **fields)
    }
    norms = [key for key in state if key.endswith("running_var")]
    counter = np.zeros((), np.int64)
    return state | {key.replace("running_var", "num_batches_tracked"): counter for key in norms}
