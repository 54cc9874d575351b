"""The commands there are: spelt out, so that one that gets lost is missed."""

from __future__ import annotations

COMMANDS = (
    "book",
    "cache",
    "compare",
    "completion",
    "demo",
    "doctor",
    "faults",
    "front",
    "inspect",
    "map",
    "ping",
    "plan",
    "probe",
    "profile",
    "quantize",
    "report",
    "reproduce",
    "run",
    "schema",
    "serve",
    "simulate",
    "studio",
    "sweep",
    "zoo",
)
