"""Paths computed on several machines: a pool of nodes, and Ray, which reaches them."""
