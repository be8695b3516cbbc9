"""Training by labels and by image-text pairs, on one machine."""
