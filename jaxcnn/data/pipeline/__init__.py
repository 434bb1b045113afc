"""From a split of a source to batches in a fixed random order."""
