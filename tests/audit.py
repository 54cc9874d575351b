"""What everybody should be able to do with a page: read it, and use it by keyboard.

Works on a page in a browser, from what the browser computed: contrast of every piece of text with
what is painted beneath it, names of controls and drawings, headings, what the Tab key reaches.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LEAST_CONTRAST = 4.5

_STATIC = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

_CONTROLS = """
() => {
  const all = document.querySelectorAll("input, select, textarea, button, a[href], [tabindex='0']");
  let count = 0;
  for (const item of all) {
    if (item.checkVisibility({ visibilityProperty: true })) item.dataset.audit = String(count++);
  }
  if (document.activeElement) document.activeElement.blur();
  scrollTo(0, 0);
  return count;
}
"""

_FOCUSED = """
() => {
  const item = document.activeElement, style = getComputedStyle(item);
  return [item.dataset.audit || null, item.tagName + "#" + item.id,
          style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
}
"""


def audit(page: Any, *, least_contrast: float = _LEAST_CONTRAST) -> list[str]:
    """What is wrong with a page of a browser, in words; nothing where all is well."""
    wrong: list[str] = page.evaluate(_STATIC, least_contrast)
    count = page.evaluate(_CONTROLS)
    reached = set()
    for _ in range(count + 3):
        page.keyboard.press("Tab")
        number, name, outlined = page.evaluate(_FOCUSED)
        if number is not None:
            reached.add(number)
            if not outlined:
                wrong.append(f"{name} does not show that it has the focus")
    missed = sorted(set(map(str, range(count))) - reached)
    for number in missed:
        name = page.evaluate(
            "(number) => document.querySelector(`[data-audit='${number}']`).outerHTML.slice(0, 80)",
            number,
        )
        wrong.append(f"the keyboard does not reach {name}")
    return wrong
