"""The studio as an ASGI application."""

from __future__ import annotations

import json
from http import HTTPStatus
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fusepath.errors import FusepathError
from fusepath.onnx_io import zoo
from fusepath.plan import plan_document
from fusepath.report.page import asset, drawings, figure, headline, sections, told
from fusepath.studio.bodies import TooLargeError, asked, body
from fusepath.studio.conversations import Conversations
from fusepath.studio.desk import Answer, Depth, Desk
from fusepath.studio.guard import Guard
from fusepath.studio.question import Question
from fusepath.studio.sessions import Sessions
from fusepath.studio.work import BusyError, GoneError, Work

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from fusepath.faults import Told
    from fusepath.report.page import Story
    from fusepath.studio.recent_models import RecentModels
    from fusepath.studio.watch import OwnEdge

_FIRST = "index.html"
_ASSETS = {
    _FIRST: "text/html",
    "studio.css": "text/css",
    "studio.js": "text/javascript",
    "openapi.json": "application/json",
}
_PAGE_ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is sent to be answered."""

    question: Question
    depth: Depth = Depth.QUICK


class Commands(NamedTuple):
    """How the command line does the same."""

    plan: Callable[[Answer], str]
    """Refines an answer."""
    faults: Callable[[Told], str]
    """Plays a session again."""


class Studio:
    """Handlers of requests, and what they share.

    Args:
        models: the models that may be planned for.
        first: the key of the model that the page begins with.
        most_model_bytes: of a model file; a larger one is refused.
        commands: spells what does the same on the command line.
        begin_edge: begins an edge server for ``zoo:NAME`` or the name of a file.
    """

    def __init__(
        self,
        models: RecentModels,
        *,
        first: str,
        most_model_bytes: int,
        commands: Commands,
        begin_edge: Callable[[str], OwnEdge],
    ) -> None:
        self._recent = models
        self._first = first
        self._most_model_bytes = most_model_bytes
        self._commands = commands
        self._desk = Desk(models)
        self._work = Work()
        self._sessions = Sessions(models, self._desk, begin_edge)
        self._conversations = Conversations(self._work, commands.faults)

    def app(self) -> Guard:
        """The application."""
        return Guard(
            Starlette(
                routes=self.routes(),
                exception_handlers=dict.fromkeys(
                    (FusepathError, HTTPException, GoneError, Exception), _complain
                ),
            )
        )

    def routes(self) -> list[Route]:
        """What can be asked for; openapi.json tells of all but the files of the page."""
        own = resources.files("fusepath.studio.page")
        files = {
            name: (own.joinpath(name).read_bytes(), kind) for name, kind in _ASSETS.items()
        } | {name: (asset(name).encode(), kind) for name, kind in _PAGE_ASSETS.items()}
        return [
            *(
                Route(f"/{'' if name == _FIRST else name}", _file(*file), methods=["GET"])
                for name, file in files.items()
            ),
            Route("/api/models", self._models, methods=["GET"]),
            Route("/api/models", self._put_model, methods=["POST"]),
            Route("/api/answers", self._answer, methods=["POST"]),
            Route("/api/answers/{key}/links", self._links, methods=["GET"]),
            Route("/api/answers/{key}/plan.json", self._plan, methods=["GET"]),
            Route("/api/answers/{key}/{name}.svg", self._figure, methods=["GET"]),
            *self._sessions.routes(),
            *self._conversations.routes(),
        ]

    def close(self) -> None:
        """Begin nothing more."""
        self._work.close()
        self._sessions.close()

    async def _models(self, _: Request) -> Response:
        return JSONResponse(
            {
                "first": self._first,
                "zoo": [f"zoo:{name}" for name in zoo.NAMES],
                "files": [
                    {"model": key, "name": held.source}
                    for key, held in self._recent.files().items()
                ],
            }
        )

    async def _put_model(self, request: Request) -> Response:
        data = await body(request, self._most_model_bytes)
        name = request.query_params.get("name", "model.onnx")
        key = await self._work.do(request, lambda: self._recent.put(data, name))
        return JSONResponse({"model": key, "name": self._recent.of(key).source}, status_code=201)

    async def _answer(self, request: Request) -> Response:
        given = await asked(request, Asked)
        answer = await self._work.do(
            request, lambda: self._desk.answer(given.question, given.depth)
        )
        return JSONResponse(_told(answer) | {"command": self._commands.plan(answer)})

    async def _links(self, request: Request) -> Response:
        key = request.path_params["key"]
        story = await self._work.do(request, lambda: self._desk.with_curves(key))
        return JSONResponse(_shown(story))

    async def _plan(self, request: Request) -> Response:
        plan = self._desk.given(request.path_params["key"]).story.plan
        return _download(json.dumps(plan_document(plan), indent=2), "application/json", "plan.json")

    async def _figure(self, request: Request) -> Response:
        story = self._desk.given(request.path_params["key"]).story
        name, known = request.path_params["name"], drawings(story)
        if name not in known:
            raise HTTPException(404, f"there is no picture '{name}'; there are {', '.join(known)}")
        return _download(figure(known[name]), "image/svg+xml", f"{name}.svg")


def _file(data: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return Response(data, media_type=kind)

    return answer


def _download(text: str, kind: str, name: str) -> Response:
    return Response(
        text, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


def _told(answer: Answer) -> dict[str, Any]:
    story = answer.story
    return {
        "answer": answer.key,
        "depth": answer.depth,
        "took_s": answer.took_s,
        "makespan_s": story.plan.makespan_s,
        "lower_bound_s": story.bound_s,
        "speed_up": story.speed_up(story.plan),
        "fused_layers": [
            layer
            for section in story.graph.sections
            for layer in range(section.start + 1, section.end + 1)
        ],
        **_shown(story),
    }


def _shown(story: Story) -> dict[str, Any]:
    """What the page's script puts into the page."""
    return {
        "name": story.plan.model.name,
        "headline": headline(story),
        "sections": sections(story),
        "told": told(story),
    }


async def _complain(_: Request, error: Exception) -> Response:
    """One line, whatever went wrong."""
    status, words = HTTPStatus.UNPROCESSABLE_ENTITY, " ".join(str(error).split())
    match error:
        case TooLargeError():
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        case BusyError():
            status = HTTPStatus.SERVICE_UNAVAILABLE
        case HTTPException():
            status, words = HTTPStatus(error.status_code), str(error.detail)
        case FusepathError():
            pass
        case _:
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            words = f"this is a defect in fusepath: {type(error).__name__}: {words}; report it"
    return JSONResponse({"error": words}, status_code=status)
