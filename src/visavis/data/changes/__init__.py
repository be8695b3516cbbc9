"""What views do to pictures: pure functions from an RGB picture and a level to an RGB picture of the same size."""
