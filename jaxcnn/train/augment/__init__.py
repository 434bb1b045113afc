"""Augmentation on the device, inside the training step."""
