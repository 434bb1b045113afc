"""Compiled text as XLA writes it, on short programs counted by hand."""

import pytest

from jaxcnn.costs import hlo, layers, products, traffic
from jaxcnn.costs.hlo import Array
from jaxcnn.costs.layers import Place

# A TPU's: maps in tiles, one array on the chip (S(1)), a convolution inside a fusion.
TPU = """\
HloModule jit_train_steps, is_scheduled=true

%fused_computation (param_0.1: bf16[2,8,8,16], param_1.2: bf16[3,3,16,32]) -> bf16[2,8,8,32] {
  %param_0.1 = bf16[2,8,8,16]{3,0,2,1:T(8,128)(2,1)} parameter(0)
  %param_1.2 = bf16[3,3,16,32]{3,2,1,0:T(8,128)(2,1)S(1)} parameter(1)
  ROOT %convolution.1 = bf16[2,8,8,32]{3,0,2,1:T(8,128)(2,1)} convolution(%param_0.1, \
%param_1.2), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
}

ENTRY %main.9_spmd (param: bf16[2,8,8,16], param.1: f32[3,3,16,32]) -> bf16[2,8,8,32] {
  %param = bf16[2,8,8,16]{3,0,2,1:T(8,128)(2,1)} parameter(0), metadata={op_name="items[0]"}
  %param.1 = f32[3,3,16,32]{3,2,1,0:T(8,128)} parameter(1), metadata={op_name="state.params"}
  %copy-start = (f32[3,3,16,32]{3,2,1,0:T(8,128)S(1)}, f32[3,3,16,32]{3,2,1,0:T(8,128)}, \
u32[]{:S(2)}) copy-start(%param.1)
  %copy-done = f32[3,3,16,32]{3,2,1,0:T(8,128)S(1)} copy-done(%copy-start)
  %convert.3 = bf16[3,3,16,32]{3,2,1,0:T(8,128)(2,1)S(1)} convert(%copy-done), \
metadata={op_name="jit(train_steps)/jvp(Net)/stage1/conv1/convert_element_type"}
  ROOT %fusion.4 = bf16[2,8,8,32]{3,0,2,1:T(8,128)(2,1)} fusion(%param, %convert.3), \
kind=kOutput, calls=%fused_computation, \
metadata={op_name="jit(train_steps)/jvp(Net)/stage1/conv1/jit(_apply)/conv_general_dilated" \
stack_frame_id=7}, backend_config={"window_config":{"estimated_cycles":"4321"}}
}
"""
# A GPU's: cuDNN's gradient of a kernel, a fusion that slices, a loop of three rounds, a copy.
GPU = """\
HloModule jit_train_steps, is_scheduled=true

%fused_slice (p0: f32[4,100], p1: s32[]) -> f32[1,100] {
  %p0 = f32[4,100]{1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %c = s32[] constant(0)
  ROOT %ds = f32[1,100]{1,0} dynamic-slice(%p0, %p1, %c), dynamic_slice_sizes={1,100}
}

%fused_copy (p0.1: f32[4,100]) -> bf16[100,4] {
  %p0.1 = f32[4,100]{1,0} parameter(0)
  %cv = bf16[4,100]{1,0} convert(%p0.1)
  ROOT %tr = bf16[100,4]{1,0} transpose(%cv), dimensions={1,0}
}

%body (arg: (s32[], f32[4,100], f32[1,100])) -> (s32[], f32[4,100], f32[1,100]) {
  %arg = (s32[], f32[4,100]{1,0}, f32[1,100]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%arg), index=0
  %all = f32[4,100]{1,0} get-tuple-element(%arg), index=1
  %one = f32[1,100]{1,0} fusion(%all, %i), kind=kLoop, calls=%fused_slice
  ROOT %out = (s32[], f32[4,100]{1,0}, f32[1,100]{1,0}) tuple(%i, %all, %one)
}

%cond (arg.1: (s32[], f32[4,100], f32[1,100])) -> pred[] {
  %arg.1 = (s32[], f32[4,100]{1,0}, f32[1,100]{1,0}) parameter(0)
  ROOT %true = pred[] constant(true)
}

ENTRY %main.5 (x: bf16[2,8,8,16], dy: bf16[2,4,4,32], start: (s32[], f32[4,100], f32[1,100])) \
-> bf16[100,4] {
  %x = bf16[2,8,8,16]{3,2,1,0} parameter(0)
  %dy = bf16[2,4,4,32]{3,2,1,0} parameter(1)
  %start = (s32[], f32[4,100]{1,0}, f32[1,100]{1,0}) parameter(2)
  %dk = (bf16[32,3,3,16]{3,2,1,0}, u8[64]{0}) custom-call(%x, %dy), window={size=3x3 stride=2x2 \
pad=0_1x0_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardFilter", \
metadata={op_name="jit(train_steps)/transpose(jvp(Net))/conv2/jit(_apply)/conv_general_dilated"}
  %loop = (s32[], f32[4,100]{1,0}, f32[1,100]{1,0}) while(%start), condition=%cond, body=%body, \
backend_config={"known_trip_count":{"n":"3"}}
  %rows = f32[4,100]{1,0} get-tuple-element(%loop), index=1
  ROOT %turned = bf16[100,4]{1,0} fusion(%rows), kind=kInput, calls=%fused_copy
}
"""


def moved(program):
    return {move.instruction.name: move for move in traffic.moves(program)}


def test_tiles_pad_the_innermost_axes():
    (small,) = hlo.arrays("f32[64,10]{0,1:T(8,128)S(1)}")
    assert small == Array("f32", (64, 10), tile=(8, 128), order=(0, 1), space=1)
    # 64 is innermost and padded to 128, 10 to 16.
    assert small.elements == 640 and small.bytes == 128 * 16 * 4
    (plain,) = hlo.arrays("bf16[2,8,8,16]{3,2,1,0}")
    assert plain.bytes == 2 * 8 * 8 * 16 * 2
    assert [a.bytes for a in hlo.arrays("(pred[3]{0}, f32[], s8[5]{0})")] == [3, 4, 5]


def test_a_tpu_program():
    program = hlo.parse(TPU)
    found = moved(program)
    assert set(found) == {"copy-start", "convert.3", "fusion.4"}
    # 16 x 32 is padded to 16 x 128: the kernel is read to the chip, converted there for nothing.
    assert (found["copy-start"].read, found["copy-start"].written) == (9 * 16 * 128 * 4, 0)
    assert found["convert.3"].bytes == 0 and found["convert.3"].kind == traffic.CONVERSION
    # 2 images are padded to 8, channels to 128: of [B, H, W, C] the order is H, W, B, C.
    whole = 8 * 8 * 8 * 128 * 2
    assert (found["fusion.4"].read, found["fusion.4"].written) == (whole, whole)
    assert found["fusion.4"].cycles == 4321
    place = Place("stage1/conv1", "forward")
    assert {move.place for move in found.values()} == {place}
    # 3x3 over 8x8: 22 of 24 pairs along each axis meet a pixel.
    (product,) = products.products(program)
    assert (product.macs, product.dtype) == (2 * 22 * 22 * 16 * 32, "bf16")


def test_a_gpu_program():
    program = hlo.parse(GPU)
    found = moved(program)
    assert set(found) == {"dk", "one", "turned"}
    image, gradient, kernel = 2 * 64 * 16 * 2, 2 * 16 * 32 * 2, 32 * 9 * 16 * 2
    assert found["dk"].read == image + gradient and found["dk"].written == kernel + 64
    assert found["dk"].place == Place("conv2", "backward")
    # Three rounds, each reads a row of 100 and the counter.
    assert (found["one"].read, found["one"].written) == (3 * 404, 3 * 400)
    assert found["turned"].kind == traffic.COPY
    assert (found["turned"].read, found["turned"].written) == (1600, 800)
    # Rows 0, 2, 4, 6 under 3 positions meet a pixel 11 times: position 8 lies in the padding.
    (product,) = products.products(program)
    assert product.macs == 2 * 11 * 11 * 16 * 32


def test_a_product_sums_over_the_axes_that_are_contracted():
    text = GPU.replace(
        "  %rows =",
        "  %d = f32[4,4]{1,0} dot(%start2, %start2), lhs_contracting_dims={1}, "
        "rhs_contracting_dims={1}\n  %start2 = f32[4,100]{1,0} constant(0)\n  %rows =",
    )
    macs = sorted(product.macs for product in products.products(hlo.parse(text)))
    assert macs[0] == 4 * 4 * 100


def test_a_spread_map_is_not_multiplied_by_its_zeros():
    # The gradient of a map under a 1x1 kernel at stride 2: [4] -> [7], every second number is zero.
    axis = products.Axis(before=0, spread=2)
    assert axis.pairs(image=4, kernel=1, output=7) == 4
    # Of a kernel 3 at stride 2: output o sees image positions where (o + k - 1) is even.
    axis = products.Axis(before=1, spread=2)
    expected = sum(
        (o + k - 1) % 2 == 0 and 0 <= (o + k - 1) // 2 < 4 for o in range(8) for k in range(3)
    )
    assert axis.pairs(image=4, kernel=3, output=8) == expected


@pytest.mark.parametrize(
    ("op_name", "place"),
    [
        ("jit(f)/jvp(ResNet)/stage3/block1/bn1/reduce_sum", ("stage3/block1/bn1", "forward")),
        ("jit(f)/transpose(jvp(ResNet))/ResNet.stem/conv1/jit(_apply)/dot", ("conv1", "backward")),
        ("jit(f)/while/body/jvp(Net)/conv1/add", ("conv1", "forward")),
        ("jit(f)/transpose(jvp(N))/a/relu1/a/relu1/select_n", ("a/relu1", "backward")),
        ("jit(f)/jvp(Net)/convert_element_type", (layers.NETWORK, "forward")),
        ("jit(f)/transpose(jvp(jit(log_softmax)))/reduce_sum", (layers.LOSS, "backward")),
        ("jit(f)/jvp()/reduce_sum", (layers.LOSS, "forward")),
        ("jit(f)/add", (layers.OPTIMIZER, "update")),
        ("jit(eval_steps)/ResNet/stage1/block1/conv1/dot", ("stage1/block1/conv1", "forward")),
        ("jit(eval_steps)/reduce_sum", (layers.LOSS, "forward")),
        ("state.params['conv1']", None),
        ("", None),
    ],
)  # fmt: skip
def test_names_of_layers(op_name, place):
    assert layers.place_of(op_name) == (place and Place(*place))


def test_a_text_without_a_program():
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.parse("HloModule empty")
