"""The algorithms of fusepath, as any package would define one of its own."""

from __future__ import annotations

from fusepath.plan.algorithms import Algorithm
from fusepath.plan.auto import search_auto
from fusepath.plan.families.forwarding import forward_file
from fusepath.plan.families.single_cut import device_only, full_offload, no_fused_layers
from fusepath.plan.families.strips import search_stream, search_streamed_cut
from fusepath.plan.families.swarm import search_swarm
from fusepath.plan.families.tiles import (
    search_brute_force,
    search_exact,
    search_johnson,
    search_minimizing_waiting,
)
from fusepath.schedule.budget import Budget

DEVICE_ONLY = Algorithm(device_only, tiles=False)
FULL_OFFLOAD = Algorithm(full_offload, tiles=False)
NFL = Algorithm(no_fused_layers, tiles=False)
FORWARD = Algorithm(forward_file, tiles=False, forwards=True)
MW = Algorithm(search_minimizing_waiting, tiles=True, unequal=True)
BF = Algorithm(search_brute_force, tiles=True)
JPS = Algorithm(search_johnson, tiles=True, unequal=True)
PSOMW = Algorithm(search_swarm, tiles=False)
EXACT = Algorithm(search_exact, tiles=True, unequal=True)
STREAMED_CUT = Algorithm(search_streamed_cut, tiles=False, budget=Budget(evaluations=60_000))
STREAM = Algorithm(search_stream, tiles=False, budget=Budget(evaluations=300_000))
AUTO = Algorithm(search_auto, tiles=False, budget=Budget(evaluations=360_000))
