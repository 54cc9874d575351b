"""The version of this package, in one place."""

from __future__ import annotations

from importlib import metadata

VERSION = metadata.version("fusepath")
