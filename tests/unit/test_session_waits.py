"""Waiting for a session: never for itself, and in vain with a word and no trace."""

from __future__ import annotations

import asyncio
import gc
import threading

import numpy as np
import pytest

import fusepath
from fusepath.errors import InputError

FRAME = np.zeros((64, 64, 3), np.uint8)
PATIENCE_S = 60.0

CALLS = {
    "infer": lambda session: session.infer(FRAME),
    "run": lambda session: session.run(
        None, {session.get_inputs()[0].name: np.zeros((1, 3, 64, 64), np.uint8)}
    ),
    "stream": lambda session: list(session.stream([FRAME])),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_is_done_with_a_result_cannot_wait_for_the_session(name):
    raised: list[BaseException] = []
    ended = threading.Event()

    def call(_: object) -> None:
        try:
            CALLS[name](session)
        except BaseException as error:
            raised.append(error)
        ended.set()

    options = fusepath.SessionOptions(remember=False)
    with fusepath.Session("zoo:squeezenet?size=64", options=options) as session:
        session.submit(FRAME).add_done_callback(call)

        assert ended.wait(PATIENCE_S)
        assert [type(error) for error in raised] == [InputError]
        assert session.infer(FRAME).outputs


def test_whoever_has_waited_in_vain_is_told_so_and_closing_is_silent():
    told: list[object] = []

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        # Without a frame for a second there is no plan yet.
        async with fusepath.AsyncSession("zoo:squeezenet?size=64") as session:
            with pytest.raises(TimeoutError, match=r"no best plan after 0\.01 s; wait longer"):
                await session.wait_ready(0.01)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(program())
    gc.collect()

    assert not told
