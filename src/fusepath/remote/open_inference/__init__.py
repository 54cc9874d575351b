"""Whole models for clients of the Open Inference Protocol, version 2, on the edge server's port."""
