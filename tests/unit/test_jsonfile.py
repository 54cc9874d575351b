"""Documents on disk: whole or not at all, and read with care."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, ClassVar

import msgspec
import pytest

from fusepath import jsonfile
from fusepath.errors import FileFormatError, OutputError

if TYPE_CHECKING:
    from pathlib import Path


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    KIND: ClassVar[str] = "recipe"

    name: str
    grams: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a recipe needs a name")


SOUP = Recipe(name="soup – ½ hot", grams=(1.5, 250.0))


def test_what_is_saved_is_loaded_again(tmp_path):
    jsonfile.save(tmp_path / "soup.json", SOUP)

    assert jsonfile.load(tmp_path / "soup.json", Recipe) == SOUP


def test_a_saved_document_is_text_that_people_and_other_programs_read(tmp_path):
    jsonfile.save(tmp_path / "soup.json", SOUP)

    text = (tmp_path / "soup.json").read_text(encoding="utf-8")
    assert text.startswith('{\n  "name": "soup – ½ hot"')
    assert text.endswith("}\n")
    assert json.loads(text) == {"name": SOUP.name, "grams": [1.5, 250.0]}
    assert (tmp_path / "soup.json").stat().st_mode & 0o777 == 0o644


def test_a_document_always_has_the_same_bytes():
    assert jsonfile.encode(SOUP) == jsonfile.encode(Recipe(name=SOUP.name, grams=SOUP.grams))


def test_saving_replaces_the_old_document_and_leaves_nothing_else(tmp_path):
    for name in ("old", "new"):
        jsonfile.save(tmp_path / "soup.json", Recipe(name=name))

    assert jsonfile.load(tmp_path / "soup.json", Recipe).name == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["soup.json"]


def test_a_failed_save_leaves_the_old_document_and_nothing_else(tmp_path, monkeypatch):
    jsonfile.save(tmp_path / "soup.json", SOUP)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        jsonfile.save(tmp_path / "soup.json", Recipe(name="new"))

    assert jsonfile.load(tmp_path / "soup.json", Recipe) == SOUP
    assert [path.name for path in tmp_path.iterdir()] == ["soup.json"]


def test_saving_over_a_folder_says_so_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "soup.json").mkdir()

    with pytest.raises(OutputError, match=r"cannot write .*soup\.json"):
        jsonfile.save(tmp_path / "soup.json", SOUP)

    assert [path.name for path in tmp_path.iterdir()] == ["soup.json"]


def test_saving_into_a_folder_that_is_missing_says_so(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        jsonfile.save(tmp_path / "missing" / "soup.json", SOUP)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"soup", "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (b'{"name": "\xff"}', "not a fusepath recipe file"),
        (b"[]", "Expected `object`"),
        (b"null", "Expected `object`"),
        (b"{}", "missing required field `name`"),
        (b'{"name": 1}', r"Expected `str`.*name"),
        (b'{"name": "a", "grams": ["much"]}', "Expected `float`"),
        (b'{"name": "a", "surprise": 1}', "unknown field `surprise`"),
        (b'{"name": ""}', "a recipe needs a name"),
        (b'{"name": "a"} and more', "malformed"),
    ],
)
def test_what_is_no_document_names_the_file_and_the_reason(data, words):
    with pytest.raises(FileFormatError, match=words) as caught:
        jsonfile.decode(data, Recipe, where="soup.json")

    message = str(caught.value)
    assert message.startswith("soup.json: not a fusepath recipe file: ")
    assert "\n" not in message


@pytest.mark.parametrize("data", [b"[" * 1_000_000, b'{"name": ' * 100_000], ids=["lists", "maps"])
def test_endless_nesting_is_refused(data):
    with pytest.raises(FileFormatError):
        jsonfile.decode(data, Recipe, where="deep.json")


def test_a_missing_file_and_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(FileFormatError, match=r"cannot read .*missing\.json: No such file"):
        jsonfile.load(tmp_path / "missing.json", Recipe)
    with pytest.raises(FileFormatError, match="cannot read"):
        jsonfile.load(tmp_path, Recipe)


def test_a_file_larger_than_any_document_is_not_even_read(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(jsonfile, "_MAX_BYTES", 100)
    (tmp_path / "large.json").write_bytes(b" " * 101)

    with pytest.raises(FileFormatError, match="larger than 100 bytes"):
        jsonfile.load(tmp_path / "large.json", Recipe)


class Dated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    KIND: ClassVar[str] = "dated recipe"

    version: int = 2
    name: str


@pytest.mark.parametrize(
    "document",
    [
        {"version": 3, "name": "soup"},
        {"version": 3, "name": "soup", "spices": ["salt"]},
        {"version": 7, "title": ["soup"]},
        {"version": 1, "title": ["soup"]},
    ],
    ids=["the same keys", "a new key", "other keys", "keys of old"],
)
def test_of_another_version_the_version_is_what_is_refused(document, tmp_path):
    """Whatever its keys; where they are the same it is for the reader to look at the version."""
    (tmp_path / "soup.json").write_text(json.dumps(document))

    if document.keys() == {"version", "name"}:
        assert jsonfile.load(tmp_path / "soup.json", Dated).version == 3
        return
    with pytest.raises(FileFormatError) as caught:
        jsonfile.load(tmp_path / "soup.json", Dated)
    stated = document["version"]
    assert f"dated recipe version {stated}, but this fusepath reads 2" in str(caught.value)


def test_a_version_that_is_no_version_makes_no_long_line(tmp_path):
    (tmp_path / "soup.json").write_text(json.dumps({"version": 10**400, "title": []}))

    with pytest.raises(FileFormatError) as caught:
        jsonfile.load(tmp_path / "soup.json", Dated)
    assert len(str(caught.value)) - len(str(tmp_path)) < 200


@pytest.mark.parametrize(
    "text",
    ['{"version": 2, "spices": []}', '{"version": "9", "spices": []}', '{"version": 9', "[9]"],
)
def test_a_document_that_is_wrong_in_itself_is_told_so(text, tmp_path):
    (tmp_path / "soup.json").write_text(text)

    with pytest.raises(FileFormatError, match="not a fusepath dated recipe file"):
        jsonfile.load(tmp_path / "soup.json", Dated)
