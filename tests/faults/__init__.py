"""Real faults: real processes, a relay between them that knows frames, and signals."""
