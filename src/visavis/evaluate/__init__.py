"""Measures: pure functions from embeddings to predictions, one file each."""
