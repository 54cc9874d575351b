"""Documents are true: links lead somewhere, commands parse, versions agree."""

from __future__ import annotations

import inspect
import itertools
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import click
import pytest

import fusepath
from fusepath.cli.group import COMMANDS
from fusepath.cli.main import cli
from fusepath.version import VERSION

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "llms.txt"]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


def anchors(page: Path) -> set[str]:
    """What a heading is called in a link."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)
    return set(words)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), target  # a folder is no page
        if anchor:
            assert anchor in anchors(file), target


def commands(page: Path) -> list[list[str]]:
    """Command lines of fusepath in blocks of code, without those that leave something out."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.match(r"(?:\w*\$ +)?fusepath (.*)$", line.strip()) for line in lines]
    typed = [match[1].partition(" #")[0].partition(" > ")[0] for match in found if match]
    return [shlex.split(line) for line in typed if not re.search(r"[…\[\]|]", line)]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_commands_that_are_shown_parse(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, *arguments in commands(page):
        assert name in COMMANDS, name
        context = click.Context(cli)
        command = cli.get_command(context, name)
        assert command is not None
        command.make_context(name, list(arguments), parent=context)


def test_there_are_commands_to_check():
    assert sum(len(commands(page)) for page in DOCUMENTS) > 15


def test_every_page_is_named_in_the_index_for_machines():
    index = (ROOT / "llms.txt").read_text(encoding="utf-8")

    assert [page.name for page in DOCUMENTS if f"{page.name})" not in index] == ["llms.txt"]


def test_every_page_is_in_the_table_of_contents_once():
    """What `make docs` checks as well, with an environment of its own."""
    index = ROOT / "docs" / "index.md"
    trees = re.findall(r"^```{toctree}\n(.*?)^```", index.read_text(encoding="utf-8"), re.M | re.S)
    entries = [
        re.sub(r".*<(.*)>", r"\1", line)
        for tree in trees
        for line in tree.splitlines()
        if line and not line.startswith(":")
    ]
    listed = [(index.parent / entry).resolve() for entry in entries]
    pages = [page.with_suffix("") for page in (*DOCUMENTS, *NOTEBOOKS)]

    assert len(listed) == len(set(listed))
    assert {page for page in pages if page.name not in {"index", "llms"}} <= set(listed)
    for page in listed:
        assert page.with_suffix(".md").exists() or page.with_suffix(".ipynb").exists(), page


def test_json_that_leaves_something_out_is_shown_as_text():
    """`make docs` warns of a language that a block is not in."""
    for page in DOCUMENTS:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```json\n(.*?)^```", text, re.M | re.S):
            assert "…" not in block, page


def test_the_site_is_built_of_every_page_and_no_warning_is_kept_from_us():
    settings = runpy.run_path(str(ROOT / "docs" / "conf.py"))
    patterns = settings["include_patterns"]

    assert "suppress_warnings" not in settings
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {ROOT / pattern for pattern in patterns}
    for page in DOCUMENTS[:2]:
        for target in re.findall(r"\]\(([\w./-]+\.md)", page.read_text(encoding="utf-8")):
            file = page.parent / target
            assert file in pages or file.is_relative_to(ROOT / "docs"), f"{page.name}: {target}"
    for page in re.findall(r"^(?:.*<)?\.\./(.*?)>?$", index, re.M):
        assert f"{page}.md" in patterns, page


def test_pages_begin_with_their_title_and_leave_out_no_level():
    for page in DOCUMENTS:
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        levels = [len(marks) for marks in re.findall(r"^(#+) ", text, re.M)]
        assert levels[0] == 1, page
        assert levels.count(1) == 1, page
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), page


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")

    assert project["version"] == VERSION
    assert f"\nversion: {VERSION}\n" in citation
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_reference_has_every_public_class_and_function():
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    public = {name: getattr(fusepath, name) for name in fusepath.__all__}
    told = {
        name
        for name, value in public.items()
        if inspect.isfunction(value) or inspect.isclass(value)
        if f".. automodule:: {value.__module__}\n" not in page
    }
    missing = [name for name in told if not re.search(rf"^\.\. auto\w+:: \S+\.{name}$", page, re.M)]

    assert sorted(missing) == []
