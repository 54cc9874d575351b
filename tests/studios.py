"""A studio on a free port, in a thread of this process."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fusepath.cli.edge_process import EdgeProcess
from fusepath.cli.studio import faults_command, plan_command
from fusepath.studio import RecentModels

MODEL = "zoo:squeezenet"
QUESTION = {
    "model": MODEL,
    "device": "10GFLOPS",
    "edge": "500GFLOPS",
    "up": "1.8MB/s",
    "down": "4MB/s",
}


def own_studio(models: RecentModels) -> Any:
    """A studio that reads small models; needs the extra."""
    from fusepath.studio.app import Commands, Studio  # noqa: PLC0415 - in an extra

    return Studio(
        models,
        first=models.load(MODEL),
        most_model_bytes=10**7,
        commands=Commands(plan_command, faults_command),
        begin_edge=EdgeProcess,
    )


@contextmanager
def studio() -> Iterator[str]:
    """``HOST:PORT`` of a studio; needs the extra."""
    from fusepath.studio.server import StudioServer  # noqa: PLC0415

    server = StudioServer("127.0.0.1:0", own_studio(RecentModels()))
    ready = threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(lambda _: ready.set())), daemon=True
    )
    thread.start()
    try:
        assert ready.wait(10)
        yield server.address
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


class Client:
    """Asks a studio as a program would."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def json(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        body = None if document is None else json.dumps(document).encode()
        status, data, _ = self.ask(method, path, body)
        return status, json.loads(data)
