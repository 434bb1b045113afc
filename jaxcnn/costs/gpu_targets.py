"""XLA's descriptions of NVIDIA GPUs, GpuTargetConfigProto as text, which its compiler asks for.

The figures are those of openxla/xla, xla/backends/gpu/target_config/specs/: a100_sxm_80.txtpb,
h100_sxm.txtpb and h200.txtpb. Sizes are in bytes.
"""

from jaxcnn.costs.devices import DEVICES

# What all of them have in common.
COMMON = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "shared_memory_per_block": 49152,
    "threads_per_core_limit": 2048,
    "block_dim_limit_x": 2147483647,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
    "thread_dim_limit_x": 1024,
    "thread_dim_limit_y": 1024,
    "thread_dim_limit_z": 64,
}
HOPPER = {
    "shared_memory_per_core": 233472,
    "core_count": 132,
    "fpus_per_core": 128,
    "l2_cache_size": 52428800,
    "clock_rate_ghz": 1.98,
    "shared_memory_per_block_optin": 232448,
}
AMPERE = {
    "shared_memory_per_core": 167936,
    "core_count": 108,
    "fpus_per_core": 64,
    "l2_cache_size": 41943040,
    "clock_rate_ghz": 1.41,
    "shared_memory_per_block_optin": 166912,
}
# The figures of a chip, its compute capability and features, and its name.
CHIPS = {
    "a100": (AMPERE, "major: 8 feature_extension: NONE", "NVIDIA A100-SXM4-80GB"),
    "h100": (HOPPER, "major: 9 feature_extension: ACCELERATED_FEATURES", "NVIDIA H100 80GB HBM3"),
    "h200": (HOPPER, "major: 9 feature_extension: ACCELERATED_FEATURES", "NVIDIA H200 141GB HBM3e"),
}
CUDNN = "major: 9 minor: 10 patch: 0"


def target_config(kind: str) -> str:
    """The description of a GPU of `kind`, a key of CHIPS, as XLA reads it."""
    figures, capability, name = CHIPS[kind]
    device = DEVICES[kind]
    sizes = {
        "memory_bandwidth": round(device.bandwidth),
        "device_memory_size": round(device.memory),
    }
    numbers = " ".join(f"{key}: {value}" for key, value in (COMMON | figures | sizes).items())
    return (
        f"gpu_device_info {{ {numbers} cuda_compute_capability {{ {capability} }} }} "
        f'platform_name: "CUDA" dnn_version_info {{ {CUDNN} }} device_description_str: "{name}"'
    )
