"""Build hook: what a package index shows, which knows neither this folder nor where it lives.

`FUSEPATH_REPOSITORY=https://… python -m build` adds the project's addresses, and makes links of the
README lead to the files of the version in that repository. Without it there are no addresses, and
links stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class ReleaseMetadata(MetadataHookInterface):  # type: ignore[misc]  # hatchling is there to build
    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = os.environ.get("FUSEPATH_REPOSITORY", "").rstrip("/")
        metadata["urls"] = {}
        if repository:
            text = absolute(text, repository, f"v{metadata['version']}")
            metadata["urls"] = addresses(repository)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def addresses(repository: str) -> dict[str, str]:
    """What an index lists beside a package."""
    return {
        "Repository": repository,
        "Documentation": f"{repository}/blob/main/docs/index.md",
        "Changes": f"{repository}/blob/main/CHANGELOG.md",
        "Issues": f"{repository}/issues",
    }


def absolute(text: str, repository: str, tag: str) -> str:
    """Markdown whose links lead to the files of a version: pictures raw, all else as pages."""

    def replaced(match: re.Match[str]) -> str:
        mark, words, target = match.groups()
        kind = "raw" if mark else "blob"
        return f"{mark}[{words}]({repository}/{kind}/{tag}/{target})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)\s]+)\)", replaced, text)
