"""Weights files of every kind, read without running anything they hold: one function, `read_tensor_file`."""
