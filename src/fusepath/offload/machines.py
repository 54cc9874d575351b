"""The two machines and the link: as somebody says they are, or measured."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fusepath.cost import RUNTIME, ComputeRate, Link, Machine, MachineProfile
from fusepath.errors import InputError
from fusepath.plan import PlanRequest, Setting, make_plan
from fusepath.profiling.goodput import Goodput, goodput
from fusepath.runtime.execution import provider_text
from fusepath.timeline import Lane

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusepath.cost import Convention
    from fusepath.offload.pairing import Pairing, Prepared
    from fusepath.profiling.layers import Profiler
    from fusepath.remote.client import EdgeClient
    from fusepath.runtime.execution import Execution

ASSUMED_MACHINE = ComputeRate(1e9, assumed=True)
ASSUMED_LINK = Link(up_bytes_per_s=1e6, down_bytes_per_s=1e6, assumed=True)
"""What stands for machines and links of which nothing is known, and on which nothing depends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """What is known of device, edge server and link; what is None is measured.

    Raises:
        InputError: no machine, or no link.
    """

    device: Machine | None = None
    edge: Machine | None = None
    link: Link | None = None

    def __post_init__(self) -> None:
        for name, machine in (("device", self.device), ("edge", self.edge)):
            if not isinstance(machine, Machine | None):
                raise InputError(
                    f"{name} {machine!r} is neither a ComputeRate nor a MachineProfile"
                )
        if not isinstance(self.link, Link | None):
            raise InputError(f"link {self.link!r} is no Link, with its rates up and down")

    @property
    def all_measured(self) -> bool:
        """Whether nothing of it is given."""
        return self.device is None and self.edge is None and self.link is None


def runtime_convention(dtype: str) -> Convention:
    """The runtime's convention for an input of an element type: it travels as it is."""
    size = np.dtype(dtype).itemsize
    return msgspec.structs.replace(RUNTIME, input_bytes_per_element=size)


def check_provider(machine: Machine | None, execution: Execution) -> None:
    """Raise if a profile was measured on something that this machine will not compute on.

    Raises:
        InputError: it was.
    """
    if not isinstance(machine, MachineProfile) or not machine.provider:
        return
    if machine.provider not in execution.named():
        raise InputError(
            f"the device's profile was measured on {machine.provider}, and this machine is to "
            f"compute on {provider_text(execution)}; profile it for that provider"
        )


async def measured_setting(
    pairing: Pairing,
    machines: Machines,
    dtype: str,
    profiler: Profiler,
    say: Callable[[str], None] = lambda _: None,
) -> Setting:
    """Machines and link as they are, or as they are emulated; what is given is not measured.

    Args:
        pairing: the machines.
        machines: what is known of them.
        dtype: of the input, as it travels.
        profiler: measures this machine.
        say: told what is going on.

    Raises:
        PeerError: the edge server refuses or does not answer.
    """
    client, emulation = pairing.client, pairing.emulation
    # Two machines, measured at the same time.
    device, edge = await asyncio.gather(
        measured_device(pairing, machines, profiler, say), measured_edge(pairing, machines, say)
    )
    link = machines.link
    if link is None and client is not None:
        say("measuring the link")
        link = await measured_link(client, pace_bytes_per_s=emulation.pace_bytes_per_s)
    return Setting(
        graph=pairing.model.graph,
        device=device,
        edge=edge or ASSUMED_MACHINE,
        link=link or ASSUMED_LINK,
        convention=runtime_convention(dtype),
    )


async def measured_device(
    pairing: Pairing, machines: Machines, profiler: Profiler, say: Callable[[str], None]
) -> Machine:
    """This machine as it is measured, or emulated; what is given is not measured."""
    if machines.device is not None:
        return machines.device
    say("measuring every layer on this machine")
    measure = partial(profiler, pairing.model, execution=pairing.execution)
    measured = await pairing.background.do(measure)
    return measured.slowed(pairing.emulation.slowdown)


async def measured_edge(
    pairing: Pairing, machines: Machines, say: Callable[[str], None]
) -> Machine | None:
    """The edge server as it measures itself; what is given is not measured.

    Raises:
        PeerError: the edge server refuses or does not answer.
    """
    client = pairing.client
    if machines.edge is not None or client is None:
        return machines.edge
    say(f"measuring every layer on {client.address}")
    return await client.profile(pairing.model)


def edge_as_shown(prepared: Prepared, setting: Setting) -> Machine:
    """An edge server that measures nothing for this device: like that, but as quick as it shows.

    It shows how long the whole network takes it.

    Args:
        prepared: the whole network on the edge server, as it was rehearsed there.
        setting: with the device as either machine.
    """
    plan = make_plan(setting, PlanRequest(algorithm="full-offload", codecs="off")).best
    return setting.device.slowed(prepared.edge_times.total_s / plan.timeline.busy_s(Lane.EDGE))


async def measured_goodput(client: EdgeClient) -> Goodput:
    """How quick the link to an edge server is, up and down.

    Raises:
        PeerError: the edge server does not answer.
    """
    return await goodput(client.exchange_s, timeout_s=client.timeout.prepare_s)


async def measured_link(client: EdgeClient, *, pace_bytes_per_s: float | None = None) -> Link:
    """The link to an edge server: its rates, unless one is emulated, and what messages cost.

    Raises:
        PeerError: the edge server does not answer.
    """
    if pace_bytes_per_s is None:
        up, down = await measured_goodput(client)
    else:
        up = down = pace_bytes_per_s
    costs = await client.message_costs()
    link = costs.on(Link(up_bytes_per_s=up, down_bytes_per_s=down))
    if pace_bytes_per_s is not None:  # what is emulated carries tensors and nothing else
        link = msgspec.structs.replace(link, message_bytes=0)
    return link
