"""Two encoders layer by layer: where they part."""
