"""Multiply-adds of a compiled program: those of its convolutions and of its matrix products.

Products with a zero that pads or spreads a map are left out, whichever way the compiler wrote the
convolution: of a 3x3 kernel at the edge of a map six are counted, not nine.
"""

import math
import re
from dataclasses import dataclass

from jaxcnn.costs.hlo import Array, Computation, Instruction, Program

# cuDNN's calls, by the place of (image, kernel, output) in (operands..., result); -1 is the result.
CUDNN = {
    "__cudnn$convForward": (0, 1, -1),
    "__cudnn$convForwardGraph": (0, 1, -1),
    "__cudnn$convBiasActivationForward": (0, 1, -1),
    "__cudnn$convBackwardInput": (-1, 1, 0),
    "__cudnn$convBackwardFilter": (0, -1, 1),
}
GEMMS = ("__cublas$gemm", "__cublas$lt$matmul", "__triton_gemm")


@dataclass(frozen=True)
class Product:
    """A convolution or a matrix product: its multiply-adds, and the type of what it multiplies."""

    macs: int
    dtype: str


@dataclass(frozen=True)
class Axis:
    """One axis of a convolution's window, as XLA writes it."""

    stride: int = 1
    before: int = 0
    spread: int = 1  # of the image: 1 + zeros between two of its pixels
    apart: int = 1  # pixels from one position of the kernel to the next

    def pairs(self, image: int, kernel: int, output: int) -> int:
        """How many (output, kernel position) pairs meet a pixel of the image."""
        return sum(
            self._meets(out * self.stride + place * self.apart - self.before, image)
            for place in range(kernel)
            for out in range(output)
        )

    def _meets(self, position: int, image: int) -> bool:
        return position % self.spread == 0 and 0 <= position // self.spread < image


def products(program: Program) -> list[Product]:
    """All that the device executes, each as often as it runs."""
    found = []
    for computation, instruction, times in program.executed():
        for where, inner in [(computation, instruction), *program.within(instruction)]:
            product = _product(where, inner)
            if product:
                found.append(Product(product.macs * times, product.dtype))
    return found


def _product(where: Computation, instruction: Instruction) -> Product | None:
    target = instruction.attribute("custom_call_target")
    arrays = [array for name in instruction.operands for array in where.result(name)[:1]]
    if len(arrays) < 2 or not instruction.result:
        return None
    arrays = [*arrays[:2], instruction.result[0]]
    if instruction.opcode == "convolution":
        macs = _convolution(instruction, *arrays)
    elif target in CUDNN:
        image, kernel, output = (arrays[place] for place in CUDNN[target])
        macs = _convolution(instruction, image, kernel, output)
    elif instruction.opcode == "dot" or target in GEMMS:
        macs = arrays[-1].elements * _contracted(instruction, arrays[0])
    else:
        return None
    return Product(macs, arrays[0].dtype)


def _convolution(instruction: Instruction, image: Array, kernel: Array, output: Array) -> int:
    """Pairs of output and kernel positions along each axis, times batch and channels."""
    names = re.split("_|->", instruction.attribute("dim_labels"))
    sizes = [
        dict(zip(labels, array.shape, strict=True))
        for labels, array in zip(names, (image, kernel, output), strict=True)
    ]
    seen, weights, made = sizes
    pairs = [
        axis.pairs(seen[str(n)], weights[str(n)], made[str(n)])
        for n, axis in enumerate(_axes(instruction.attribute("window")))
    ]
    return math.prod(pairs) * made["b"] * made["f"] * weights["i"]


def _axes(window: str) -> list[Axis]:
    """The axes of "size=3x3 stride=2x2 pad=1_1x1_1"; none of "", a convolution without any."""
    given = dict(part.split("=") for part in window.split())
    count = len(given.get("size", "").split("x")) if given else 0

    def numbers(name: str, default: int) -> list[int]:
        text = given.get(name)
        return [int(n.split("_")[0]) for n in text.split("x")] if text else [default] * count

    columns = zip(
        numbers("stride", 1),
        numbers("pad", 0),
        numbers("lhs_dilate", 1),
        numbers("rhs_dilate", 1),
        strict=True,
    )
    return [Axis(*column) for column in columns]


def _contracted(instruction: Instruction, left: Array) -> int:
    """The length of the axes that a matrix product sums over."""
    axes = instruction.attribute("lhs_contracting_dims")
    if not axes:
        found = re.search(r'"lhs_contracting_dimensions":\[([^\]]*)\]', instruction.attributes)
        axes = found[1].replace('"', "") if found else ""
    return math.prod(left.shape[int(axis)] for axis in axes.split(",") if axis)
