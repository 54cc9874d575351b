"""Carrying a plan out on one machine: the only home of ONNX Runtime."""
