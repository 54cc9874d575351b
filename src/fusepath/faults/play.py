"""A session from a seed, played and told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusepath.errors import InputError
from fusepath.faults.story import Story
from fusepath.faults.world import World
from fusepath.units import number_of

if TYPE_CHECKING:
    from fusepath.faults.world import Outcome


@dataclass(frozen=True, kw_only=True)
class Told:
    """What happened, and what became of it."""

    seed: int
    fault: str | None
    story: Story
    outcome: Outcome | str
    """Or what happened that must not."""

    @property
    def is_right(self) -> bool:
        """Whether all that must hold has held."""
        return not isinstance(self.outcome, str)

    @property
    def words(self) -> str:
        """The outcome in a line."""
        if isinstance(self.outcome, str):
            return f"violation: {self.outcome}"
        out = self.outcome
        together = out.frames - out.alone - out.fell_back - out.failed
        return (
            f"{number_of(out.frames, 'frame')}: {together} by device and edge server, "
            f"{out.fell_back} fell back, {out.alone} by the device alone, {out.failed} by nobody; "
            f"{out.dropped} dropped; three in a row together {out.back_s:.1f} s after the faults "
            f"had ended"
        )


def play(seed: int, fault: str | None = None) -> Told:
    """Play a session, and tell of it.

    Args:
        seed: all follows from it.
        fault: the only one that happens, by its name in `FAULTS`; any without.

    Raises:
        InputError: there is no such fault.
    """
    story = Story()
    outcome: Outcome | str
    try:
        outcome = World(seed, fault=fault, story=story).run()
    except InputError:
        raise
    except Exception as error:  # what the machines do wrong shows in any way
        outcome = f"{type(error).__name__}: {error}"
    return Told(seed=seed, fault=fault, story=story, outcome=outcome)
