"""The session that a studio watches, as it is asked about over HTTP."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fusepath.errors import InputError
from fusepath.report.page import headline, sections
from fusepath.spelling import path_of
from fusepath.studio.bodies import asked
from fusepath.studio.frames import frames_drawing
from fusepath.studio.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from fusepath.studio.desk import Desk
    from fusepath.studio.recent_models import RecentModels
    from fusepath.studio.watch import OwnEdge


class Begin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be watched."""

    answer: str
    """The key of an answer, whose plan is carried out."""
    edge: str | None = None
    """``HOST:PORT``; an edge server is begun without."""


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to become of the edge server that was begun."""

    alive: bool


class Sessions:
    """One session at a time.

    Args:
        models: that may be run.
        desk: whose answers are carried out.
        begin_edge: begins an edge server for ``zoo:NAME`` or the name of a file.
    """

    def __init__(
        self, models: RecentModels, desk: Desk, begin_edge: Callable[[str], OwnEdge]
    ) -> None:
        self._models, self._desk, self._begin_edge = models, desk, begin_edge
        self._watch: Watch | None = None

    def routes(self) -> list[Route]:
        """What can be asked for."""
        return [
            Route("/api/session", self._told, methods=["GET"]),
            Route("/api/session", self._begin, methods=["POST"]),
            Route("/api/session", self._end, methods=["DELETE"]),
            Route("/api/session/server", self._server, methods=["PUT"]),
        ]

    def close(self) -> None:
        """End what is watched."""
        before, self._watch = self._watch, None
        if before is not None:
            before.close()

    async def _begin(self, request: Request) -> Response:
        begin = await asked(request, Begin)
        answer = self._desk.given(begin.answer)
        held = self._models.of(answer.question.model)
        await asyncio.to_thread(self.close)
        edge = begin.edge or partial(self._begin_edge, path_of(held.source))
        self._watch = Watch(held, answer.story.plan, edge)
        return JSONResponse({}, status_code=201)

    async def _end(self, _: Request) -> Response:
        await asyncio.to_thread(self.close)
        return JSONResponse({})

    async def _server(self, request: Request) -> Response:
        wanted, watch = await asked(request, Server), self._watched
        await asyncio.to_thread(watch.start_server if wanted.alive else watch.kill_server)
        return JSONResponse({})

    async def _told(self, _: Request) -> Response:
        watch = self._watched
        watched = watch.watched
        told: dict[str, Any] = {
            "doing": watched.doing,
            "frames": watched.frames,
            "complaint": watched.complaint,
            "server": watch.server_is_alive,
        }
        if watched.last is not None:
            last, story = watched.last, watch.story(watched.last)
            told |= {
                "headline": headline(story),
                "when": sections(story)["When"],
                "before": frames_drawing(watched.frames, watched.seen),
                "alone": "" if last.fallback is None else last.fallback.reason,
            }
        return JSONResponse(told)

    @property
    def _watched(self) -> Watch:
        if self._watch is None:
            raise InputError("no session is watched; begin one")
        return self._watch
