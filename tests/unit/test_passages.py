"""What was on a link together."""

from __future__ import annotations

import asyncio

from fusepath.offload.passages import Passages


def test_those_count_that_were_under_way_at_any_time_between():
    passages = Passages()
    with passages.begin(up_bytes=1, down_bytes=10) as before:
        pass
    with passages.begin(up_bytes=2, down_bytes=20) as first, passages.begin() as second:
        second.up_bytes, second.down_bytes = 4, 40
    with passages.begin(up_bytes=8, down_bytes=80) as under_way:
        assert passages.bytes_between(first.begun_s, second.ended_s) == (6, 60)
        assert passages.bytes_between(second.ended_s, first.ended_s) == (2, 20)
        assert passages.bytes_between(before.begun_s, before.ended_s) == (1, 10)
        assert passages.bytes_between(under_way.begun_s, float("inf")) == (8, 80)
        assert passages.bytes_between(0.0, float("inf")) == (15, 150)
    assert passages.bytes_between(0.0, before.begun_s) == (0, 0)


def test_the_end_of_all_that_is_under_way_is_waited_for_and_of_nothing_that_comes_later():
    async def play() -> list[str]:
        passages, told = Passages(), []

        async def passing(name: str, *, until: asyncio.Event) -> None:
            with passages.begin():
                await until.wait()
            told.append(name)

        async def waiting() -> None:
            await passages.over()
            told.append("over")

        ends = [asyncio.Event() for _ in range(3)]
        tasks = [asyncio.create_task(passing(str(n), until=ends[n])) for n in range(2)]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(waiting()))
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(passing("2", until=ends[2])))
        for end in ends:
            await asyncio.sleep(0.01)
            assert "over" not in told or end is ends[2]
            end.set()
        await asyncio.gather(*tasks)
        return told

    assert asyncio.run(play()) == ["0", "1", "over", "2"]
