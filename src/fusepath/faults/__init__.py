"""The fault simulator: sessions of a device and an edge server through faults, in simulated time.

The machines of `fusepath.protocol` as they are; a clock, a link, threads and workers made up, in
one heap of events; and a check of every command. The same seed always plays the same session.
"""

from fusepath.faults.clock import Violation
from fusepath.faults.kinds import FAULTS
from fusepath.faults.play import Told, play
from fusepath.faults.story import Answer, Carried, Harm, Line, Played, Story
from fusepath.faults.world import Outcome, World

__all__ = [
    "FAULTS",
    "Answer",
    "Carried",
    "Harm",
    "Line",
    "Outcome",
    "Played",
    "Story",
    "Told",
    "Violation",
    "World",
    "play",
]
