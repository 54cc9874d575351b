"""Sessions through faults, as they are asked for over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fusepath.errors import InputError
from fusepath.faults import FAULTS, play
from fusepath.studio.conversation import Scene, conversation_drawing

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from fusepath.faults import Told
    from fusepath.studio.work import Work

_MOST_SEED = 2**32 - 1


class Conversations:
    """Plays them.

    Args:
        work: where.
        command: spells the command line that plays one again.
    """

    def __init__(self, work: Work, command: Callable[[Told], str]) -> None:
        self._work, self._command = work, command

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/faults", self._faults, methods=["GET"]),
            Route("/api/conversations/{seed}", self._conversation, methods=["GET"]),
        ]

    async def _faults(self, _: Request) -> Response:
        return JSONResponse({"faults": list(FAULTS), "most_seed": _MOST_SEED})

    async def _conversation(self, request: Request) -> Response:
        seed = _seed(request.path_params["seed"])
        fault = request.query_params.get("fault") or None
        told = await self._work.do(request, lambda: play(seed, fault))
        scene = Scene(told.story)
        return JSONResponse(
            {
                "seed": seed,
                "fault": fault,
                "outcome": told.words,
                "drawing": conversation_drawing(scene),
                "lines": [str(line) for line in scene.lines],
                "command": self._command(told),
            }
        )


def _seed(text: str) -> int:
    """A seed that was asked for.

    Raises:
        InputError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_SEED))):
        raise InputError(f"the seed '{text[:40]}' is no whole number from 0 to {_MOST_SEED}")
    seed = int(text)
    if seed > _MOST_SEED:
        raise InputError(f"the seed {seed} is above {_MOST_SEED}")
    return seed
