"""Between two machines: the only home of gRPC."""
