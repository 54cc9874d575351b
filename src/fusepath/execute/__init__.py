"""The two machines for real: sessions in ONNX Runtime, tensors over gRPC."""
