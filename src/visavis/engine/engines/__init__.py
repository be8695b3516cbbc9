"""What computes an encoder's vectors: PyTorch, ONNX Runtime or OpenVINO, in float32 or narrower numbers."""
