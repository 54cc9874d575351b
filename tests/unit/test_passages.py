"""What was on a link together."""

from __future__ import annotations

import time

from fusepath.offload.passages import Passages, bytes_of


def test_what_is_under_way_at_any_time_meanwhile_is_seen():
    passages = Passages()
    with passages.begin(up_bytes=1, down_bytes=10):
        pass
    before = passages.begin(up_bytes=2, down_bytes=20)
    after = passages.begin(up_bytes=8, down_bytes=80)
    before.__enter__()
    with passages.watch() as seen, passages.watch() as other:
        with passages.begin() as within:
            before.__exit__(None, None, None)
            within.up_bytes, within.down_bytes = 4, 40
        last = after.__enter__()
    with passages.begin(up_bytes=16, down_bytes=160):
        pass

    assert bytes_of(seen) == bytes_of(other) == (14, 140)
    assert [passage.over.is_set() for passage in seen] == [True, True, False]
    after.__exit__(None, None, None)
    assert last.over.is_set()
    with passages.watch() as nothing:
        assert nothing == []


def test_of_the_last_those_are_known_that_had_not_ended_by_then():
    passages = Passages()
    begun_s = time.perf_counter()
    with passages.begin(up_bytes=1, down_bytes=10) as ended:
        pass
    with passages.begin(up_bytes=2, down_bytes=20):
        assert bytes_of(passages.since(begun_s)) == (3, 30)
        assert bytes_of(passages.since(ended.ended_s)) == (2, 20)
    assert passages.since(time.perf_counter()) == []


def test_no_more_is_remembered_than_a_few():
    passages = Passages()
    for _ in range(10):
        with passages.begin(up_bytes=1):
            pass

    assert bytes_of(passages.since(0.0)) == (4, 0)
    assert passages._under_way == []
