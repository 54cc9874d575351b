"""Kinds of plans, each with a search of its own."""
