"""A trained network as a file for others: ONNX, StableHLO, safetensors, a hub folder."""
