"""Checkpoints of peers in and out: whose names a file has, the architecture its tensors tell, the tensors as ours."""
