"""Profiles measured before on this machine, kept in the user's cache directory."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fusepath import jsonfile
from fusepath.errors import FileFormatError, OutputError
from fusepath.profiling.profile import SETTINGS_VERSION, ProfileReport, Settings, profile_machine
from fusepath.runtime.execution import ON_CPU, Execution
from fusepath.runtime.runner import runtime_version
from fusepath.version import VERSION

if TYPE_CHECKING:
    from fusepath.cost import MachineProfile
    from fusepath.onnx_io import Model

logger = logging.getLogger(__name__)

_CPU_INFO = Path("/proc/cpuinfo")
_CPU_KEYS = ("model name", "Model", "Hardware", "CPU part")
"""What the kernel calls the processor, the most telling first: PCs, Raspberry Pi, other ARM."""


def machine_identity() -> dict[str, str]:
    """What a profile depends on besides the model: processor, its cores, and software."""
    return {
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "runtime": runtime_version(),
        "fusepath": VERSION,
    }


def cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/fusepath``, or ``~/.cache/fusepath`` without that variable.

    None for a user without a home, as in many containers: nothing is remembered there.
    """
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if stated.is_absolute():  # others are to be ignored, says the specification
        return stated / "fusepath"
    try:
        home = Path.home()
    except RuntimeError:  # neither $HOME nor an entry for the user
        return None
    return home / ".cache" / "fusepath" if home.is_absolute() else None


def remembered_files() -> list[Path]:
    """All that is remembered in `cache_folder`: profiles, and what sessions found out last time."""
    folder = cache_folder()
    return [] if folder is None else sorted(folder.glob("*/*.json"))


@dataclass(frozen=True)
class ProfileCache:
    """Profile reports by model, machine, software and settings.

    A damaged entry counts as none and is written anew; a folder that cannot be written to costs
    nothing but the measuring. Profiles from a disturbed machine are not kept.
    """

    folder: Path | None
    """None remembers nothing."""

    @classmethod
    def of_user(cls) -> ProfileCache:
        """In `cache_folder`."""
        folder = cache_folder()
        return cls(None if folder is None else folder / "profiles")

    def load(self, model: Model, settings: Settings) -> ProfileReport | None:
        """What was measured before; None if nothing was."""
        if self.folder is None:
            return None
        try:
            report = jsonfile.load(_file(self.folder, model, settings), ProfileReport)
            report.profile.check(model.graph)
        except FileFormatError:
            return None
        return report

    def keep(self, model: Model, report: ProfileReport) -> None:
        """Remember a report, unless something else was at work when it was made."""
        if report.profile.disturbed or self.folder is None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            jsonfile.save(_file(self.folder, model, report.settings), report)
        except (OSError, OutputError) as error:
            logger.info("the profile was not kept: %s", error)


def known_profile(model: Model, *, execution: Execution = ON_CPU) -> MachineProfile | None:
    """This machine's profile for a model as it was measured before; the most careful one."""
    cache = ProfileCache.of_user()
    for settings in (
        Settings(execution=execution),
        Settings.quick(execution),
        Settings.brief(execution),
    ):
        report = cache.load(model, settings)
        if report is not None:
            return report.profile
    return None


def remembered_profile(model: Model, *, execution: Execution = ON_CPU) -> MachineProfile:
    """This machine's profile for a model: as measured before, or else measured now and kept."""
    known = known_profile(model, execution=execution)
    if known is not None:
        return known
    report = profile_machine(model, Settings.brief(execution))
    ProfileCache.of_user().keep(model, report)
    return report.profile


def _file(folder: Path, model: Model, settings: Settings) -> Path:
    """Where the profile of a model is kept."""
    key = {
        "model": model.graph.sha256,
        "input_shape": model.graph.fed_shape,
        "machine": machine_identity(),
        "settings": msgspec.to_builtins(settings),
        "version": SETTINGS_VERSION,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return folder / f"{digest}.json"


def _cpu_name() -> str:
    try:
        lines = _CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    fields = dict(line.partition(":")[::2] for line in lines)
    values = {key.strip(): value.strip() for key, value in fields.items()}
    named = next((values[key] for key in _CPU_KEYS if values.get(key)), "")
    return named or platform.processor() or platform.machine()
