"""How names of files are spelt: as text, and so that they can be read back."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fusepath.errors import InputError, one_line
from fusepath.spelling import as_text, path_of, spelt


@given(st.binary(min_size=1))
@example(b"n\xe9t.onnx")
@example(rb"n\xe9t.onnx")
@example(rb"\\x5cxe9")
@example(rb"\x" + b"\xe9")
@example("nét.onnx".encode())
def test_a_spelling_is_text_and_names_the_same_file(name):
    path = os.fsdecode(name)

    spelling = spelt(path)

    assert spelling.encode().decode() == spelling
    assert os.fsencode(path_of(spelling)) == name


def test_names_that_are_text_are_spelt_as_they_are():
    for name in ("net.onnx", "nét.onnx", "C:\\models\\net.onnx", "zoo:alexnet?size=224&seed=1"):
        assert spelt(name) == as_text(name) == name == path_of(name)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_messages_spell_names():
    name = os.fsdecode(b"n\xe9t.onnx")

    assert str(InputError(f"no {name} here")) == r"no n\xe9t.onnx here"
    assert one_line(name) == as_text(name) == spelt(name) == r"n\xe9t.onnx"


def test_what_no_system_has_in_names_is_text_as_well():
    assert as_text("a\ud800b") == r"a\ud800b"
