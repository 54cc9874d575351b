"""Links that change under a stream of frames: see `__main__`."""
