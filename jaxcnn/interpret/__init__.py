"""What a network has learned and where it looks, as the papers drew it."""
