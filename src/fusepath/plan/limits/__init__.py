"""Limits that a user has: what they are, what a plan demands, how searches keep to them."""
