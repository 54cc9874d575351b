"""How much of what could be looked at is: some by default, all where ``FUSEPATH_THOROUGH`` is set.

``make slow`` sets it. Examples are the same every time without, so that a change is judged by what
it does, and drawn anew with it.
"""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("FUSEPATH_THOROUGH"))


def some(examples: int) -> int:
    """How many examples of a property: a third."""
    return examples if THOROUGH else -(-examples // 3)
