"""The page as a whole: offline, in one file, and with nothing in it that could load or call."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING

from fusepath.report.page.markup import element, text
from fusepath.report.page.sections import headline, sections, told
from fusepath.report.tables import milliseconds

if TYPE_CHECKING:
    from fusepath.report.page.story import Story


def report_page(story: Story) -> str:
    """The page as HTML.

    A content security policy lets the browser load nothing, and run the page's own script alone.
    """
    style, script = asset("page.css"), asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    plan = story.plan
    title = f"{plan.model.name}: {plan.family}, {milliseconds(story.latency_s)}"
    shown = [
        element("section", element("h2", text(name)), inside)
        for name, inside in sections(story).items()
    ]
    data = json.dumps(told(story), separators=(",", ":")).replace("<", "\\u003c")
    first = element("p", text(headline(story)), class_="headline")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>{style}</style></head><body>"
        f"{element('header', element('h1', text(plan.model.name)), first)}"
        f"{element('main', *shown)}"
        f'<script type="application/json" id="data">{data}</script>'
        f"<script>{script}</script></body></html>\n"
    )


def asset(name: str) -> str:
    """The style or the script of the page."""
    return (resources.files("fusepath.report.page") / name).read_text(encoding="utf-8")


def _digest(inline: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()}"
