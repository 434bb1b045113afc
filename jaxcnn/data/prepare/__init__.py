"""Datasets written once, as TFDS directories of ArrayRecord files."""
