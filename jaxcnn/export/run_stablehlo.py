"""Runs the network in this folder: python run.py IMAGES.npy [OUT.npz].

It needs jax and flatbuffers (pip install jax flatbuffers). export.json says what the images are:
their layout, and whether they are uint8 pixels or already normalised.
"""

import json
import pathlib
import sys

import jax.export
import numpy as np

DTYPES = {"F32": np.float32}


def read_safetensors(path):
    """{name: array} of a .safetensors file: a header's length, a header in JSON, the numbers."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    arrays = {}
    for name, row in header.items():
        first, last = row["data_offsets"]
        numbers = np.frombuffer(content[start + first : start + last], DTYPES[row["dtype"]])
        arrays[name] = numbers.reshape(row["shape"])
    return arrays


def load(folder):
    """f(images) -> {output: array} of the export in `folder`."""
    folder = pathlib.Path(folder)
    program = jax.export.deserialize(bytearray((folder / "model.stablehlo").read_bytes()))
    variables = read_safetensors(folder / "variables.safetensors")

    def network(images):
        found = program.call(variables, images)
        return {name: np.asarray(array) for name, array in dict(found).items()}

    return network


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.exit(__doc__)
    outputs = load(pathlib.Path(__file__).parent)(np.load(arguments[0]))
    if len(arguments) == 2:
        np.savez(arguments[1], allow_pickle=False, **outputs)
    for name, array in outputs.items():
        print(name, array.shape, array.dtype)
        if name == "logits":
            print("largest logit of each image:", array.argmax(-1).tolist())


if __name__ == "__main__":
    main(sys.argv[1:])
