"""Device and edge server simulated: the machines as they are, everything around them made up."""
