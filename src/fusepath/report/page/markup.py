"""Elements of HTML and SVG as text. Everything that is put in is escaped."""

from __future__ import annotations

from html import escape


def element(name: str, *inside: str, **attributes: object) -> str:
    """One element.

    Args:
        name: of the element.
        inside: markup that it holds, from here or from `text`.
        attributes: ``_`` stands for a hyphen, and one at the end is dropped; None leaves one out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(inside)}</{name}>"


def text(words: object) -> str:
    """Words as markup."""
    return escape(str(words), quote=False)


def rectangle(
    left: float, top: float, width: float, height: float, *inside: str, **attributes: object
) -> str:
    """A rectangle of a drawing."""
    return element("rect", *inside, x=left, y=top, width=width, height=height, **attributes)


def label(left: float, top: float, words: object, **attributes: object) -> str:
    """Words in a drawing; the point is where their base line begins."""
    return element("text", text(words), x=left, y=top, **attributes)


def drawing(width: float, height: float, *inside: str, name: str, **attributes: object) -> str:
    """A drawing with a name for those who do not see it."""
    return element(
        "svg",
        element("title", text(name)),
        *inside,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        **attributes,
    )


def scrolled(wide: str, *, name: str) -> str:
    """What may be wider than the window, in a box of its own that scrolls, with a name."""
    return element("div", wide, class_="scrolled", tabindex="0", role="region", aria_label=name)


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
