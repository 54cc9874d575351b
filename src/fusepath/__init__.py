"""One CNN inference as fast as a weak device, a slow link and an edge server together allow.

The names below are the Python API; they mean what the commands of the same name do. They are
imported when first used, so that ``import fusepath`` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as typing has it, whose import takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from fusepath.cost import Compression as Compression
    from fusepath.cost import ComputeRate as ComputeRate
    from fusepath.cost import Convention as Convention
    from fusepath.cost import Link as Link
    from fusepath.cost import Machine as Machine
    from fusepath.cost import MachineProfile as MachineProfile
    from fusepath.cost import Power as Power
    from fusepath.cost import parse_link as parse_link
    from fusepath.cost import parse_machine as parse_machine
    from fusepath.cost.convention import Regions as Regions
    from fusepath.cost.fit import FitError as FitError
    from fusepath.errors import AlgorithmError as AlgorithmError
    from fusepath.errors import ClosedError as ClosedError
    from fusepath.errors import DroppedError as DroppedError
    from fusepath.errors import FileFormatError as FileFormatError
    from fusepath.errors import FusepathError as FusepathError
    from fusepath.errors import GeometryError as GeometryError
    from fusepath.errors import ImageError as ImageError
    from fusepath.errors import InfeasibleError as InfeasibleError
    from fusepath.errors import InputError as InputError
    from fusepath.errors import ModelError as ModelError
    from fusepath.errors import NoPlanError as NoPlanError
    from fusepath.errors import OutputError as OutputError
    from fusepath.errors import PeerBusyError as PeerBusyError
    from fusepath.errors import PeerError as PeerError
    from fusepath.errors import PeerRefusedError as PeerRefusedError
    from fusepath.errors import PeerTimeoutError as PeerTimeoutError
    from fusepath.errors import PeerUnreachableError as PeerUnreachableError
    from fusepath.errors import SettingError as SettingError
    from fusepath.errors import UndecidedError as UndecidedError
    from fusepath.errors import UnsupportedOperatorError as UnsupportedOperatorError
    from fusepath.errors import VerificationError as VerificationError
    from fusepath.graph import ModelGraph as ModelGraph
    from fusepath.graph import Section as Section
    from fusepath.graph import Tensor as Tensor
    from fusepath.offload.async_session import AsyncSession as AsyncSession
    from fusepath.offload.emulation import Emulation as Emulation
    from fusepath.offload.frames import FrameFormat as FrameFormat
    from fusepath.offload.held import TensorInfo as TensorInfo
    from fusepath.offload.inference import Inference as Inference
    from fusepath.offload.inference import Reused as Reused
    from fusepath.offload.line import Flow as Flow
    from fusepath.offload.machines import Machines as Machines
    from fusepath.offload.order import FallbackPolicy as FallbackPolicy
    from fusepath.offload.order import SessionOptions as SessionOptions
    from fusepath.offload.rotating import PlansInTurn as PlansInTurn
    from fusepath.offload.run import Report as Report
    from fusepath.offload.run import run as run
    from fusepath.offload.session import Session as Session
    from fusepath.offload.stable import UntilStable as UntilStable
    from fusepath.offload.statistics import PlanStatistics as PlanStatistics
    from fusepath.offload.statistics import Statistics as Statistics
    from fusepath.onnx_io import Boundary as Boundary
    from fusepath.onnx_io import Ending as Ending
    from fusepath.onnx_io import LastOutput as LastOutput
    from fusepath.onnx_io import Model as Model
    from fusepath.onnx_io import ModelFiles as ModelFiles
    from fusepath.onnx_io import Port as Port
    from fusepath.onnx_io import from_torch as from_torch
    from fusepath.onnx_io import load_model as load_model
    from fusepath.pictures.decoding import PictureFile as PictureFile
    from fusepath.pictures.frame import Frame as Frame
    from fusepath.pictures.frame import PictureFrame as PictureFrame
    from fusepath.pictures.inputs import load_input as load_input
    from fusepath.pictures.sources import frames_of as frames_of
    from fusepath.plan import BookEntry as BookEntry
    from fusepath.plan import Budget as Budget
    from fusepath.plan import Constraints as Constraints
    from fusepath.plan import Energy as Energy
    from fusepath.plan import EnergyUse as EnergyUse
    from fusepath.plan import Front as Front
    from fusepath.plan import InputFormat as InputFormat
    from fusepath.plan import Latency as Latency
    from fusepath.plan import ModelReference as ModelReference
    from fusepath.plan import Objective as Objective
    from fusepath.plan import Origin as Origin
    from fusepath.plan import OutputChange as OutputChange
    from fusepath.plan import Plan as Plan
    from fusepath.plan import PlanBook as PlanBook
    from fusepath.plan import PlannedRate as PlannedRate
    from fusepath.plan import PlanRequest as PlanRequest
    from fusepath.plan import PlanResult as PlanResult
    from fusepath.plan import Prediction as Prediction
    from fusepath.plan import Provenance as Provenance
    from fusepath.plan import Recipe as Recipe
    from fusepath.plan import Rotation as Rotation
    from fusepath.plan import Setting as Setting
    from fusepath.plan import StreamObjective as StreamObjective
    from fusepath.plan import TailPlace as TailPlace
    from fusepath.plan import Throughput as Throughput
    from fusepath.plan import Weighted as Weighted
    from fusepath.plan import load_book as load_book
    from fusepath.plan import load_plan as load_plan
    from fusepath.plan import make_book as make_book
    from fusepath.plan import make_front as make_front
    from fusepath.plan import make_plan as make_plan
    from fusepath.plan import make_rotation as make_rotation
    from fusepath.plan import save_book as save_book
    from fusepath.plan import save_plan as save_plan
    from fusepath.plan import simulate as simulate
    from fusepath.plan.limits.constraints import Shortfall as Shortfall
    from fusepath.plan.preprocessing import Filter as Filter
    from fusepath.plan.preprocessing import Fit as Fit
    from fusepath.plan.preprocessing import Preprocessing as Preprocessing
    from fusepath.plan.source import Forwarding as Forwarding
    from fusepath.plan.source import PictureSource as PictureSource
    from fusepath.profiling.layers import measure_layers as measure_layers
    from fusepath.protocol.device_frame import Fallback as Fallback
    from fusepath.protocol.device_frame import Stage as Stage
    from fusepath.protocol.in_flight import WhenFull as WhenFull
    from fusepath.remote.client import Timeout as Timeout
    from fusepath.report.gantt import gantt as gantt
    from fusepath.runtime.compare import Comparison as Comparison
    from fusepath.runtime.compare import compare as compare
    from fusepath.runtime.execution import Execution as Execution
    from fusepath.schedule.result import Status as Status
    from fusepath.tiling import Arrangement as Arrangement
    from fusepath.tiling import Grid as Grid
    from fusepath.tiling import Segment as Segment
    from fusepath.tiling import Strips as Strips
    from fusepath.tiling import Tiles as Tiles
    from fusepath.tiling import TileSizes as TileSizes
    from fusepath.tiling import Whole as Whole
    from fusepath.timeline import Lane as Lane
    from fusepath.timeline import Span as Span
    from fusepath.timeline import Timeline as Timeline

_HOMES = {
    "AlgorithmError": "fusepath.errors",
    "Arrangement": "fusepath.tiling",
    "AsyncSession": "fusepath.offload.async_session",
    "BookEntry": "fusepath.plan",
    "Boundary": "fusepath.onnx_io",
    "Budget": "fusepath.plan",
    "ClosedError": "fusepath.errors",
    "Comparison": "fusepath.runtime.compare",
    "Compression": "fusepath.cost",
    "ComputeRate": "fusepath.cost",
    "Constraints": "fusepath.plan",
    "Convention": "fusepath.cost",
    "DroppedError": "fusepath.errors",
    "Emulation": "fusepath.offload.emulation",
    "Ending": "fusepath.onnx_io",
    "Energy": "fusepath.plan",
    "EnergyUse": "fusepath.plan",
    "Execution": "fusepath.runtime.execution",
    "Fallback": "fusepath.protocol.device_frame",
    "FallbackPolicy": "fusepath.offload.order",
    "FileFormatError": "fusepath.errors",
    "Filter": "fusepath.plan",
    "Fit": "fusepath.plan",
    "FitError": "fusepath.cost.fit",
    "Flow": "fusepath.offload.line",
    "Forwarding": "fusepath.plan",
    "Frame": "fusepath.pictures.frame",
    "FrameFormat": "fusepath.offload.frames",
    "Front": "fusepath.plan",
    "FusepathError": "fusepath.errors",
    "GeometryError": "fusepath.errors",
    "Grid": "fusepath.tiling",
    "ImageError": "fusepath.errors",
    "InfeasibleError": "fusepath.errors",
    "Inference": "fusepath.offload.inference",
    "OutputChange": "fusepath.plan",
    "Power": "fusepath.cost",
    "Reused": "fusepath.offload.inference",
    "InputError": "fusepath.errors",
    "InputFormat": "fusepath.plan",
    "Lane": "fusepath.timeline",
    "LastOutput": "fusepath.onnx_io",
    "Latency": "fusepath.plan",
    "Link": "fusepath.cost",
    "Machine": "fusepath.cost",
    "MachineProfile": "fusepath.cost",
    "Machines": "fusepath.offload.machines",
    "Model": "fusepath.onnx_io",
    "ModelError": "fusepath.errors",
    "ModelFiles": "fusepath.onnx_io",
    "ModelGraph": "fusepath.graph",
    "ModelReference": "fusepath.plan",
    "NoPlanError": "fusepath.errors",
    "Objective": "fusepath.plan",
    "Origin": "fusepath.plan",
    "OutputError": "fusepath.errors",
    "PeerBusyError": "fusepath.errors",
    "PeerError": "fusepath.errors",
    "PeerRefusedError": "fusepath.errors",
    "PeerTimeoutError": "fusepath.errors",
    "PeerUnreachableError": "fusepath.errors",
    "Plan": "fusepath.plan",
    "PictureFile": "fusepath.pictures.decoding",
    "PictureFrame": "fusepath.pictures.frame",
    "PictureSource": "fusepath.plan",
    "PlanBook": "fusepath.plan",
    "PlanRequest": "fusepath.plan",
    "PlanResult": "fusepath.plan",
    "PlanStatistics": "fusepath.offload.statistics",
    "PlannedRate": "fusepath.plan",
    "PlansInTurn": "fusepath.offload.rotating",
    "Port": "fusepath.onnx_io",
    "Prediction": "fusepath.plan",
    "Preprocessing": "fusepath.plan",
    "Provenance": "fusepath.plan",
    "Recipe": "fusepath.plan",
    "Regions": "fusepath.cost.convention",
    "Report": "fusepath.offload.run",
    "Rotation": "fusepath.plan",
    "Section": "fusepath.graph",
    "Segment": "fusepath.tiling",
    "Session": "fusepath.offload.session",
    "SessionOptions": "fusepath.offload.order",
    "Setting": "fusepath.plan",
    "SettingError": "fusepath.errors",
    "StreamObjective": "fusepath.plan",
    "TailPlace": "fusepath.plan",
    "Shortfall": "fusepath.plan.limits.constraints",
    "Span": "fusepath.timeline",
    "Stage": "fusepath.protocol.device_frame",
    "Statistics": "fusepath.offload.statistics",
    "Status": "fusepath.schedule.result",
    "Strips": "fusepath.tiling",
    "Tensor": "fusepath.graph",
    "TensorInfo": "fusepath.offload.held",
    "TileSizes": "fusepath.tiling",
    "Throughput": "fusepath.plan",
    "Tiles": "fusepath.tiling",
    "Timeline": "fusepath.timeline",
    "Timeout": "fusepath.remote.client",
    "UndecidedError": "fusepath.errors",
    "UnsupportedOperatorError": "fusepath.errors",
    "UntilStable": "fusepath.offload.stable",
    "VerificationError": "fusepath.errors",
    "Weighted": "fusepath.plan",
    "WhenFull": "fusepath.protocol.in_flight",
    "Whole": "fusepath.tiling",
    "compare": "fusepath.runtime.compare",
    "frames_of": "fusepath.pictures.sources",
    "from_torch": "fusepath.onnx_io",
    "gantt": "fusepath.report.gantt",
    "load_book": "fusepath.plan",
    "load_input": "fusepath.pictures.inputs",
    "load_model": "fusepath.onnx_io",
    "load_plan": "fusepath.plan",
    "make_book": "fusepath.plan",
    "make_front": "fusepath.plan",
    "make_plan": "fusepath.plan",
    "make_rotation": "fusepath.plan",
    "measure_layers": "fusepath.profiling.layers",
    "parse_link": "fusepath.cost",
    "parse_machine": "fusepath.cost",
    "run": "fusepath.offload.run",
    "save_book": "fusepath.plan",
    "save_plan": "fusepath.plan",
    "simulate": "fusepath.plan",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list of names, kept in one place


def __getattr__(name: str) -> Any:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fusepath' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return list(_HOMES)
