"""What a device draws, and what that comes to over the work of a frame."""

from __future__ import annotations

import math

import msgspec

from fusepath.errors import SettingError, check_number


class Power(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a machine draws from its supply, in watts, while it does one thing and nothing else.

    What is done at the same time adds up: beyond what waiting draws, computing and sending draw as
    much as each of them alone.

    Raises:
        SettingError: a power that is none, or that is less than what waiting draws.
    """

    wait_w: float
    compute_w: float
    send_w: float
    receive_w: float

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            given = getattr(self, name)
            check_number(name, given)
            if not 0 <= given < math.inf:
                raise SettingError(f"{name} {given:g} is no power")
            if given < self.wait_w:
                raise SettingError(
                    f"{name} {given:g} is less than wait_w {self.wait_w:g}: it is what the whole "
                    f"machine draws meanwhile"
                )

    @property
    def beyond_waiting_w(self) -> tuple[float, float, float]:
        """What computing, sending and receiving draw more than waiting."""
        return (
            self.compute_w - self.wait_w,
            self.send_w - self.wait_w,
            self.receive_w - self.wait_w,
        )

    def describe(self) -> str:
        """For people."""
        return (
            f"{self.wait_w:g} W waiting, {self.compute_w:g} computing, {self.send_w:g} sending, "
            f"{self.receive_w:g} receiving"
        )


def parse_power(text: str) -> Power:
    """Read ``wait=2.7,compute=6.4,send=3.4,receive=3.2``, in watts.

    Raises:
        SettingError: it is something else.
    """
    example = "write it like wait=2.7,compute=6.4,send=3.4,receive=3.2, in watts"
    given = dict(part.strip().partition("=")[::2] for part in text.split(","))
    if set(given) != {"wait", "compute", "send", "receive"} or len(given) != len(text.split(",")):
        raise SettingError(f"'{text}' is no power: {example}")
    try:
        return Power(**{f"{name}_w": float(value) for name, value in given.items()})
    except ValueError as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(f"'{text}' is no power: {example}") from None
