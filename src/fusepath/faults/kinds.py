"""What goes wrong: each fault is done to a world, and says how it is undone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fusepath.faults.network import a_lie
from fusepath.faults.server import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.faults.surroundings import Surroundings

    Undo = Callable[[], None] | None


def _kill(world: Surroundings) -> Undo:
    world.server.kill()
    return partial(world.server.start)


def _restart(world: Surroundings) -> Undo:
    world.server.kill()
    world.server.start()
    return None


def _stop(world: Surroundings) -> Undo:
    world.server.stop()
    return partial(world.server.go_on)


def _block(world: Surroundings, *ways: int) -> Undo:
    def change(by: int) -> None:
        for way in ways:
            world.network.blocked[way] += by
        world.network.changed()

    change(1)
    return partial(change, -1)


def _slow_link(world: Surroundings) -> Undo:
    world.network.bytes_per_s = world.scene.bytes_per_s / 100
    return partial(setattr, world.network, "bytes_per_s", world.scene.bytes_per_s)


def _slow_server(world: Surroundings) -> Undo:
    world.server.slowness = 50.0
    return partial(setattr, world.server, "slowness", 1.0)


def _reorder(world: Surroundings) -> Undo:
    world.network.reorders = True
    return partial(setattr, world.network, "reorders", False)


def _mangle(world: Surroundings, way: int) -> Undo:
    world.network.mangles[way] = 0.3

    def undo() -> None:
        world.network.mangles[way] = 0.0

    return undo


def _lie(world: Surroundings) -> Undo:
    for call in list(world.network.calls):
        if isinstance(call.work, Stream):
            world.network.send(1, call, a_lie(world.random))
    return None


def _refuse(world: Surroundings, reason: str) -> Undo:
    world.server.refuses.append(reason)
    return partial(world.server.refuses.remove, reason)


def _refuse_for(world: Surroundings, reason: str, retry_after_s: float) -> Undo:
    world.server.refuses.append(reason)
    world.server.retry_after_s.append(retry_after_s)

    def admit() -> None:
        world.server.refuses.remove(reason)
        world.server.retry_after_s.remove(retry_after_s)

    return admit


def _flag(world: Surroundings, name: str) -> Undo:
    def change(by: int) -> None:
        setattr(world.server, name, getattr(world.server, name) + by)

    change(1)
    return partial(change, -1)


def _jump(world: Surroundings, by_s: float) -> Undo:
    world.driver.jump(by_s)
    return None


def _begin_anew(world: Surroundings) -> Undo:
    world.driver.begin_anew()
    return None


FAULTS: dict[str, Callable[[Surroundings], Undo]] = {
    "kill": _kill,
    "restart": _restart,
    "stop": _stop,
    "lose the way up": lambda world: _block(world, 0),
    "lose the way down": lambda world: _block(world, 1),
    "lose both ways": lambda world: _block(world, 0, 1),
    "slow link": _slow_link,
    "slow server": _slow_server,
    "calls overtake each other": _reorder,
    "a broken device": lambda world: _mangle(world, 0),
    "a broken server": lambda world: _mangle(world, 1),
    "a lie": _lie,
    "refuse": lambda world: _refuse(world, "too many devices"),
    "refuse without a reason": lambda world: _refuse(world, ""),
    "refuse for a while": lambda world: _refuse_for(world, "no room", 1.5),
    "memory full": lambda world: _flag(world, "full"),
    "another version": lambda world: _flag(world, "skewed"),
    "clock jumps ahead": lambda world: _jump(world, 3600.0),
    "clock jumps back": lambda world: _jump(world, -0.7),
    "other frames are wanted": _begin_anew,
}
