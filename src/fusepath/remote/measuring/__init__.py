"""Measuring an edge server for a model: in a process of its own, or beside what else is done."""
