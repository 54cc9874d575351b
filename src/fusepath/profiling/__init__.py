"""Measured profiles and links: measured again where in doubt, held against what they predict."""

from fusepath.profiling.cache import ProfileCache, machine_identity, remembered_profile
from fusepath.profiling.probe import Direction, LinkReport, SizeTime, fit_direction, probe
from fusepath.profiling.profile import (
    LayerReport,
    Prediction,
    ProfileReport,
    Settings,
    profile_machine,
)

__all__ = [
    "Direction",
    "LayerReport",
    "LinkReport",
    "Prediction",
    "ProfileCache",
    "ProfileReport",
    "Settings",
    "SizeTime",
    "fit_direction",
    "machine_identity",
    "probe",
    "profile_machine",
    "remembered_profile",
]
