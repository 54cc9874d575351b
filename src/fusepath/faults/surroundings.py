"""What device, edge server and faults know of the world that they are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from fusepath.faults.clock import Clock
    from fusepath.faults.network import Network
    from fusepath.faults.scene import Scene
    from fusepath.faults.story import Story
    from fusepath.faults.thread import Thread


class Surroundings(Protocol):
    """The world, as those within it see it; each of them is made with it."""

    random: Random
    clock: Clock
    scene: Scene
    network: Network
    thread: Thread
    story: Story | None
    driver: Any
    """The device's session."""
    server: Any
    """The edge server."""

    def tell(self, who: str, event: object, commands: Sequence[object]) -> None:
        """Write into the story."""
