"""What a release is made of: entries of the change log, lowest versions, links, licences."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FRAGMENTS = [
    file
    for file in sorted((ROOT / "changes").iterdir())
    if file.name not in DOCUMENT["tool"]["towncrier"]["ignore"]
]
PLACE = "https://example.org/fusepath"


def wrong_with(name: str, text: str) -> list[str]:
    """What an entry of the change log must not be."""
    kinds = "|".join(item["directory"] for item in DOCUMENT["tool"]["towncrier"]["type"])
    found = []
    if not re.fullmatch(rf"[a-z0-9]+(-[a-z0-9]+)*\.({kinds})\.md", name):
        found.append("name")
    if not re.fullmatch(r"[A-Z`\d].*[.)]\n", text, re.S) or text.startswith("Fixed"):
        found.append("sentences")
    if "\n\n" in text or re.search(r"^\s*[-*#]", text, re.M):
        found.append("one entry")
    if max(map(len, text.splitlines()), default=0) > 118:
        found.append("width")
    return found


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: file.name)
def test_entries_of_the_change_log_are_well_formed(file):
    assert wrong_with(file.name, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("quick-plans.added.md", "Plans are found\nearlier.\n", []),
        ("quick plans.added.md", "Plans.\n", ["name"]),
        ("plans.new.md", "Plans.\n", ["name"]),
        ("plans.fixed.md", "- Plans.\n", ["sentences", "one entry"]),
        ("plans.fixed.md", "Fixed: plans.\n", ["sentences"]),
        ("plans.fixed.md", "Plans.\n\nMore.\n", ["one entry"]),
        ("plans.fixed.md", "", ["sentences"]),
        ("plans.fixed.md", f"P{'l' * 120}.\n", ["width"]),
    ],
)
def test_what_is_no_entry_is_noticed(name, text, wrong):
    assert wrong_with(name, text) == wrong


def test_the_change_log_has_a_place_for_them():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    mark = DOCUMENT["tool"]["towncrier"]["start_string"]

    assert text.count(mark) == 1
    (latest,) = re.findall(r"^## (\S+),", text.partition(mark)[0], re.M)
    assert latest == DOCUMENT["project"]["version"]


def test_the_lowest_versions_are_those_that_are_said(capsys):
    runpy.run_path(str(ROOT / "tools" / "lowest.py"))

    lowest = capsys.readouterr().out.splitlines()
    needed = DOCUMENT["project"]["dependencies"]
    assert [re.split("[=>]", text)[0] for text in lowest] == [
        re.split("[=>]", text)[0] for text in needed
    ]
    for low, text in zip(lowest, needed, strict=True):
        assert text.startswith(low.replace("==", ">="))


@pytest.fixture
def hook(monkeypatch) -> dict[str, Any]:
    """The hook that builds metadata, without what calls it."""
    interface = ModuleType("hatchling.metadata.plugin.interface")
    interface.MetadataHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hatchling.metadata.plugin.interface", interface)
    return runpy.run_path(str(ROOT / "tools" / "release_metadata.py"))


def test_links_of_the_readme_work_on_a_package_index(hook, monkeypatch):
    made = hook["ReleaseMetadata"]()
    made.root = str(ROOT)
    told: dict[str, Any] = {"version": "9.9"}
    monkeypatch.setenv("FUSEPATH_REPOSITORY", PLACE)

    made.update(told)

    targets = re.findall(r"\]\(([^)\s]+)\)", told["readme"]["text"])
    kept = [f"{PLACE}/{kind}/v9.9/" for kind in ("blob", "raw")]
    own = [target for target in targets if target.startswith(PLACE)]
    assert own
    assert all(target.startswith(("https:", "#")) for target in targets)
    for target in own:
        (path,) = (target.removeprefix(place) for place in kept if target.startswith(place))
        assert (ROOT / path.partition("#")[0]).exists(), target
    assert told["urls"]["Repository"] == PLACE


def test_without_an_address_none_is_made_up(hook, monkeypatch):
    made = hook["ReleaseMetadata"]()
    made.root = str(ROOT)
    told: dict[str, Any] = {"version": "9.9"}
    monkeypatch.delenv("FUSEPATH_REPOSITORY", raising=False)

    made.update(told)

    assert told["urls"] == {}
    assert told["readme"]["text"] == (ROOT / "README.md").read_text(encoding="utf-8")


def test_pictures_lead_to_their_bytes(hook):
    text = "![a](docs/a.svg) [b](docs/b.md#c) [d](https://e.org) [f](#g)"

    assert hook["absolute"](text, PLACE, "v1") == (
        f"![a]({PLACE}/raw/v1/docs/a.svg) [b]({PLACE}/blob/v1/docs/b.md#c) "
        f"[d](https://e.org) [f](#g)"
    )


def test_the_page_of_licences_is_that_of_what_is_installed():
    tool = runpy.run_path(str(ROOT / "tools" / "licences.py"))
    pinned = set((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    for name in tool["requirements"]("fusepath"):
        if f"{name}=={metadata.version(name)}" not in pinned:
            pytest.skip(f"the page is about the {name} of constraints.txt: others need others")

    shown = tool["PAGE"].read_text(encoding="utf-8")
    assert re.findall(r"^\| (\S+) ", tool["page"](), re.M) == re.findall(r"^\| (\S+) ", shown, re.M)
    for word in ("GPL", "UNKNOWN", "Proprietary"):
        assert word not in tool["page"]()


def test_the_sources_that_are_given_away_have_all_that_the_pages_name():
    included = set(DOCUMENT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    tool = runpy.run_path(str(ROOT / "tools" / "try_sdist.py"))

    assert list(tool["missing"](ROOT)) == []
    for page in tool["PAGES"]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            path = (ROOT / page).parent.joinpath(target).resolve().relative_to(ROOT)
            assert path.parts[0] in included, f"{page}: {target}"
