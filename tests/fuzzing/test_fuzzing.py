"""A little of the fuzzing, so that what decodes goes on being tried; `make fuzz` does more."""

from __future__ import annotations

import random

import pytest

from tests.fuzzing.decoders import CORPUS, DECODERS, Decoder
from tests.fuzzing.hunt import hunt
from tests.fuzzing.mutations import changed_bytes

SLOW = {"book", "onnx"}
"""Take milliseconds for an input, or for good ones."""


@pytest.mark.parametrize("name", [name for name in DECODERS if name not in SLOW])
def test_what_comes_from_outside_is_taken_or_refused(name):
    found = hunt(DECODERS[name], 150, seed=3)

    assert not found.kept, found.kept[0]
    assert found.taken
    assert found.refused


@pytest.mark.slow
@pytest.mark.parametrize("name", DECODERS)
def test_more_of_it(name):
    found = hunt(DECODERS[name], 2000, seed=4)

    assert not found.kept, found.kept[0]


@pytest.mark.parametrize("name", sorted({file.parent.name for file in CORPUS.glob("*/*")}))
def test_what_was_found_before_is_refused(name):
    decoder = DECODERS[name]
    for file in sorted((CORPUS / name).iterdir()):
        with pytest.raises(decoder.refuses) as refusal:
            decoder.decode(file.read_bytes())
        assert str(refusal.value).isprintable()
        assert len(str(refusal.value)) <= 300


def faulty(decode, refuses=(ValueError,)) -> Decoder:
    return Decoder("faulty", lambda: [b"good"], decode, refuses, changed_bytes)


def test_what_is_neither_is_found():
    def decode(data: bytes) -> None:
        if data != b"good":
            raise ValueError("a" * 301 if len(data) > 4 else "\n" if len(data) < 4 else "no")

    found = hunt(faulty(decode), 100)
    assert 0 < found.failures < found.inputs
    assert {how[:12] for _, how in found.kept} == {"refused with"}
    assert "IndexError" in hunt(faulty(lambda data: data[3]), 100).kept[0][1]


def test_changes_repeat_themselves():
    made = [changed_bytes(random.Random(1), [b"some", b"others"]) for _ in range(2)]  # noqa: S311

    assert made[0] == made[1]
