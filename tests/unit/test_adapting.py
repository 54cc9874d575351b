"""Which plan is used as link and machines change."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fusepath.protocol.adapting import (
    PROBES_BYTES,
    SETTLED,
    TRIAL,
    Adapting,
    Answered,
    Back,
    Conditions,
    Drop,
    Forgotten,
    Known,
    NotNow,
    Prepare,
    Probe,
    Probed,
    ProbeFailed,
    Ready,
    Search,
    Unfit,
    Use,
)
from fusepath.protocol.gauge import FRAMES, HIDDEN, Taken
from fusepath.protocol.given_up import COOL_DOWN

RATE, DELAY_S = 1e6, 0.0
UNCLEAR_S = 0.001
PLANS = {  # seconds on the device, bytes up
    "alone": (0.1, 0),
    "half": (0.05, 20_000),
    "all": (0.01, 60_000),
}


def predicted_s(plan: str, conditions: Conditions) -> float:
    device_s, up_bytes = PLANS[plan]
    return device_s * conditions.device + up_bytes / RATE * conditions.up


def machine(*ready: str, known: tuple[str, ...] = tuple(PLANS), room: int = 9) -> Adapting:
    first, *others = ready
    made = Adapting(predicted_s, first, room, RATE, DELAY_S)
    for name in others:
        made.handle(Ready(name))
    made.handle(Known(known))
    return made


def answered(
    made: Adapting,
    conditions: Conditions,
    latency_s: float | None = None,
    *,
    beside: bool = False,
) -> tuple[object, ...]:
    """A frame with the plan in use; what is to be done for it."""
    device_s, up_bytes = PLANS[made.current]
    up_s = up_bytes / RATE
    latency_s = latency_s or predicted_s(made.current, conditions)
    nothing = Taken(0.0, 0.0, UNCLEAR_S)
    return tuple(
        made.handle(
            Answered(
                made.current,
                latency_s,
                Taken(up_s * conditions.up, up_s, UNCLEAR_S),
                nothing,
                Taken(device_s * conditions.device, device_s, UNCLEAR_S),
                nothing,
                math.inf,
                beside=beside,
            )
        )
    )


def commands(made: Adapting, conditions: Conditions, frames: int, kind: type) -> list[object]:
    found = [command for _ in range(frames) for command in answered(made, conditions)]
    return [command for command in found if isinstance(command, kind)]


def probed(size_bytes: int, slowness: float, unclear_s: float = UNCLEAR_S) -> Probed:
    taken = Taken(size_bytes / RATE * slowness, size_bytes / RATE, unclear_s)
    return Probed(size_bytes, taken, taken, 0.0)


SLOW, QUICK = Conditions(up=10.0, down=10.0), Conditions(up=0.1, down=0.1)


def test_what_is_ready_and_better_is_used_two_frames_after_a_change():
    made = machine("all", "half", "alone")
    assert made.current == "all"
    assert commands(made, Conditions(), 30, Use) == []

    assert commands(made, SLOW, FRAMES - 1, Use) == []
    (use,) = commands(made, SLOW, 1, Use)
    assert use.plan == "alone"
    assert made.current == "alone"


def test_a_machine_that_makes_plans_ready_is_not_taken_for_a_slow_one():
    made = machine("half", "all", "alone")
    usual, busy = Conditions(up=2.0), Conditions(up=2.0, device=3.0)
    commands(made, usual, 10, Use)
    assert made.current == "half"

    for _ in range(20):
        answered(made, busy, beside=True)
    assert made.current == "half"
    assert made.conditions.device == pytest.approx(1.0)

    (use,) = commands(made, busy, FRAMES, Use)  # it is as slow by itself
    assert use.plan == "all"


def test_a_machine_that_was_slow_for_a_while_is_used_again():
    """Not at once, and where it is slow still, ever more seldom: nothing else shows it."""
    made = machine("half", "all", "alone")
    usual, hot = Conditions(up=2.0), Conditions(up=2.0, device=3.0)
    commands(made, usual, 10, Use)
    commands(made, hot, FRAMES, Use)
    assert made.current == "all"

    def unseen(frames: int) -> list[object]:
        """Frames that leave the device out."""
        nothing = Taken(0.0, 0.0, UNCLEAR_S)
        up = Taken(0.12, 0.06, UNCLEAR_S)
        event = Answered("all", 0.13, up, nothing, nothing, nothing, math.inf, beside=False)
        found = [item for _ in range(frames) for item in made.handle(event)]
        return [item.plan for item in found if isinstance(item, Use)]

    assert unseen(HIDDEN - 1) == []
    assert unseen(1) == ["half"]
    assert [item.plan for item in commands(made, hot, 1, Use)] == ["all"]
    assert unseen(2 * HIDDEN - 1) == []
    assert unseen(1) == ["half"]
    assert commands(made, usual, 20, Use) == []


@pytest.mark.parametrize("what", ["device", "up"])
def test_a_hot_device_and_a_slow_link_lead_to_different_plans(what):
    made = machine("half", "all", "alone")
    slower = {"device": Conditions(device=3.0), "up": Conditions(up=4.0)}[what]
    commands(made, slower, FRAMES, Use)
    assert made.current == {"device": "all", "up": "alone"}[what]


def test_what_is_hardly_better_is_not_used():
    made = machine("alone", "half", known=("alone", "half"))
    made.handle(Back())
    made.current = "half"
    # 0.05 + 0.02 · 2.55 = 0.101 is more than 0.1, but not by enough.
    assert commands(made, Conditions(up=2.55), 30, Use) == []


def test_a_plan_that_would_be_better_is_made_ready_and_used_when_it_is():
    made = Adapting(predicted_s, "alone", 9, RATE, DELAY_S)
    assert made.handle(Known(("alone", "all"))) == (Prepare("all"),)
    assert made.handle(Known(("alone", "all"))) == ()  # one at a time
    (use,) = made.handle(Ready("all"))
    assert isinstance(use, Use)
    assert made.current == "all"


def test_plans_for_other_rates_are_made_ready_ahead():
    made = Adapting(predicted_s, "all", 9, RATE, DELAY_S)
    assert made.handle(Known(tuple(PLANS))) == (Prepare("alone"),)  # for all links that are slow
    assert made.handle(Ready("alone")) == (Prepare("half"),)  # for those in between
    assert made.handle(Ready("half")) == ()
    assert made.current == "all"


def test_what_is_ready_does_not_depend_on_what_the_link_has_become_meanwhile():
    made = machine("all", "alone", "half")
    for slowness in (2.0, 10.0, 0.5, 1.0):
        assert commands(made, Conditions(up=slowness), 2 * FRAMES, Prepare) == []


def test_a_plan_that_cannot_be_made_ready_is_forgotten():
    made = Adapting(predicted_s, "alone", 9, RATE, DELAY_S)
    assert made.handle(Known(tuple(PLANS))) == (Prepare("all"),)
    assert made.handle(Unfit("all")) == (Prepare("half"),)
    assert made.handle(Known(("all",))) == ()
    assert made.handle(Ready("half"))[1:] == (Prepare("all"),)


def test_where_there_is_no_room_what_is_needed_least_makes_way():
    made = Adapting(predicted_s, "all", 2, RATE, DELAY_S)
    made.handle(Ready("half"))
    assert made.handle(Known(tuple(PLANS))) == (Drop("half"), Prepare("alone"))


def test_what_is_kept_is_ready_takes_no_room_and_is_never_dropped():
    made = Adapting(predicted_s, "all", 1, RATE, DELAY_S, frozenset({"alone"}))
    assert made.handle(Known(tuple(PLANS))) == ()  # "all" has the only room
    (use,) = commands(made, SLOW, FRAMES, Use)
    assert use.plan == "alone"
    made.handle(Ready("half"))
    assert Drop("alone") not in commands(made, Conditions(), 200, Drop)

    made = Adapting(predicted_s, "alone", 1, RATE, DELAY_S, frozenset({"alone"}))
    assert made.handle(Known(tuple(PLANS))) == (Prepare("all"),)


def test_a_plan_that_turns_out_worse_is_given_up_and_left_alone_for_a_while():
    made = machine("alone", "all")
    assert made.current == "all"
    uses = [answered(made, Conditions(), latency_s=0.2) for _ in range(TRIAL)]
    assert [len(item) for item in uses[:-1]] == [0] * (TRIAL - 1)
    (use,) = uses[-1]
    assert use.plan == "alone"

    assert commands(made, Conditions(), COOL_DOWN - 1, Use) == []
    while made.current == "alone":
        answered(made, Conditions())
    for _ in range(TRIAL):
        answered(made, Conditions(), latency_s=0.2)
    assert made.current == "alone"
    assert commands(made, Conditions(), 2 * COOL_DOWN - 1, Use) == []


def test_a_plan_that_is_as_predicted_is_kept_and_later_slow_frames_do_not_count():
    made = machine("alone", "all")
    for _ in range(TRIAL):
        answered(made, Conditions())
    for _ in range(30):
        assert answered(made, Conditions(), latency_s=0.2) == ()


def test_once_settled_plans_for_just_this_are_looked_for_once():
    made = machine("all", "alone")
    slower = Conditions(up=1.6)
    searches = commands(made, slower, FRAMES + 3 + SETTLED, Search)
    assert [round(item.conditions.up, 2) for item in searches] == [1.6]
    made.handle(Known(()))
    assert commands(made, slower, 100, Search) == []


@pytest.mark.parametrize("unclear_s", [UNCLEAR_S, 0.03], ids=["near", "far"])
def test_a_device_that_sends_nothing_sees_whether_the_link_has_become_quicker(unclear_s):
    made = machine("alone", "all")
    commands(made, SLOW, FRAMES, Use)
    assert made.current == "alone"
    (probe,) = commands(made, SLOW, 3, Probe)  # one at a time
    assert PROBES_BYTES[0] <= probe.size_bytes < 4096
    while found := made.handle(probed(probe.size_bytes, 10.0, unclear_s)):  # it is, both ways
        (probe,) = found
    assert made.current == "alone"

    (probe,) = commands(made, SLOW, 40, Probe)
    for _ in range(10):  # more is sent until it shows how quick, and once more to be sure
        done = made.handle(probed(probe.size_bytes, 1.0, unclear_s))
        if any(isinstance(item, Use) for item in done):
            break
        (probe,) = done or commands(made, SLOW, 40, Probe)
    assert made.current == "all"
    assert made.up.slowness == pytest.approx(1.0)


def test_whether_to_probe_is_decided_by_what_is_known_as_long_as_little_changes():
    """To work out anew what all plans take costs more than a frame has to spare."""
    asked: list[tuple[str, Conditions]] = []

    def noted_s(plan: str, conditions: Conditions) -> float:
        asked.append((plan, conditions))
        return predicted_s(plan, conditions)

    made = Adapting(noted_s, "alone", 9, RATE, DELAY_S)
    made.handle(Known(tuple(PLANS)))
    made.handle(Ready("all"))
    commands(made, SLOW, FRAMES, Use)
    (probe,) = commands(made, SLOW, 3, Probe)
    while found := made.handle(probed(probe.size_bytes, 10.0)):
        (probe,) = found
    before = set(asked)
    asked.clear()
    for number in range(300):
        device = 1 + 0.01 * (number % 7)
        if commands(made, Conditions(up=10.0, down=10.0, device=device), 1, Probe):
            slowness = 10 + number % 3 / 10
            while made.handle(probed(PROBES_BYTES[1], slowness)):
                pass
    assert len({conditions for _, conditions in asked} - {item for _, item in before}) <= 2


def test_what_is_best_is_made_ready_once_the_plan_before_need_not_stay():
    made = machine("all", "half", known=("all", "half"), room=2)
    (use,) = commands(made, Conditions(up=2.0), FRAMES, Use)
    assert use.plan == "half"
    assert (
        made.handle(Known(("alone",))) == ()
    )  # is no better, and "all" stays until "half" is tried
    slower = Conditions(up=20.0)
    assert commands(made, slower, FRAMES, Prepare) == []
    found = [command for _ in range(TRIAL + 1) for command in answered(made, slower)]
    assert found == [Drop("all"), Prepare("alone")]


def test_one_way_of_a_link_that_shows_nothing_is_looked_at_though_the_other_shows():
    """Far away it is not known exactly what a probe takes, and up and down differ."""
    made = machine("alone", "all")
    unclear_s = 0.04
    (probe,) = made.handle(Back())
    up, down = 79 / 1000, 100 / 1000  # seconds; below and above what can be seen
    nearly = Probed(
        probe.size_bytes,
        Taken(up, probe.size_bytes / RATE, unclear_s),
        Taken(down, probe.size_bytes / RATE, unclear_s),
        0.0,
    )
    (more,) = made.handle(nearly)
    assert more.size_bytes == 8 * probe.size_bytes
    slow = Taken(1.0, more.size_bytes / RATE, unclear_s)
    assert not any(
        isinstance(item, Probe) and item.size_bytes > more.size_bytes
        for item in made.handle(Probed(more.size_bytes, slow, slow, 0.0))
    )


def test_a_probe_that_fails_is_followed_by_another():
    made = machine("alone", "all")
    commands(made, SLOW, FRAMES, Use)
    assert len(commands(made, SLOW, 5, Probe)) == 1
    made.handle(ProbeFailed())
    assert len(commands(made, SLOW, 5, Probe)) == 1


def test_nothing_is_probed_where_nothing_could_be_gained():
    made = machine("alone", known=("alone",))
    assert commands(made, SLOW, 50, Probe) == []


def test_what_the_link_is_like_after_it_was_down_is_believed_at_once():
    made = machine("all", "alone")
    (probe,) = made.handle(Back())
    done = made.handle(probed(probe.size_bytes, 40.0))
    assert [item.plan for item in done if isinstance(item, Use)] == ["alone"]


def test_a_probe_that_began_before_the_link_was_back_shows_nothing():
    made = machine("all", "alone")
    (probe,) = made.handle(Back())
    assert made.handle(Back()) == ()  # one at a time
    assert made.handle(probed(probe.size_bytes, 40.0)) == (probe,)
    assert made.current == "all"
    assert made.conditions == Conditions()
    assert made.handle(probed(probe.size_bytes, 1.0)) == ()


def test_a_link_that_is_another_for_each_probe_is_left_to_frames_after_some():
    made = machine("all", "alone")
    probes = len(commands(made, SLOW, 2 * FRAMES, Probe))
    assert made.is_probing
    while made.is_probing:
        probes += 1
        made.handle(probed(PROBES_BYTES[1], 40.0 if probes % 2 else 0.05))
        assert probes <= 13
    assert probes > 4


def test_how_far_away_the_server_is_is_believed_if_two_probes_say_so_and_frames_do_not_deny_it():
    made = machine("alone", "all")
    shown = (0.2, 0.0), (0.0, 0.0), (0.2, 0.0), (0.3, 0.2), (0.0, 0.2), (0.21, 0.2), (0.22, 0.2)
    for further_s, believed_s in shown:
        probe = probed(PROBES_BYTES[1], 1.0)
        made.handle(Probed(probe.size_bytes, probe.up, probe.down, further_s))
        assert made.conditions.further_s == believed_s  # the last is so by chance
    nothing = Taken(0.0, 0.0, UNCLEAR_S)
    for most_s, believed_s in ((0.5, 0.2), (0.19, 0.2), (0.05, 0.05), (math.inf, 0.05)):
        device = Taken(0.1, 0.1, UNCLEAR_S)
        made.handle(Answered("alone", 0.1, nothing, nothing, device, nothing, most_s, beside=False))
        assert made.conditions.further_s == believed_s


@pytest.mark.parametrize("noise", [0.15, 0.2])
def test_a_steady_noisy_link_leads_to_no_change(noise):
    for seed in range(5):
        made = machine("all", "half", "alone")  # two are alike, and cross just here
        rates = np.exp(np.random.default_rng(seed).normal(0, noise, 2000)).tolist()
        uses = [item for rate in rates for item in answered(made, Conditions(up=rate))]
        assert [item for item in uses if isinstance(item, Use)] == []


def test_what_the_edge_server_has_forgotten_is_made_ready_again_before_it_is_used():
    made = machine("all", "alone", "half", room=3)
    assert made.handle(Forgotten()) == ()
    assert set(made._ready) == {"all"}
    found = commands(made, SLOW, 4, Prepare)
    assert [item.plan for item in found] == ["alone"]
    assert [item.plan for item in made.handle(Ready("alone")) if isinstance(item, Use)] == ["alone"]


def test_what_the_edge_server_has_forgotten_is_made_ready_again_though_nothing_changes():
    made = machine("all", "alone", "half", room=3)
    made.handle(Forgotten())
    (prepare,) = commands(made, Conditions(), FRAMES + 1, Prepare)
    (other,) = made.handle(Ready(prepare.plan))
    assert {prepare, other} == {Prepare("alone"), Prepare("half")}
    assert made.handle(Ready(other.plan)) == ()
    assert set(made._ready) == {"all", "alone", "half"}


def test_a_plan_that_could_not_be_made_ready_yet_is_asked_for_later_and_another_first():
    made = machine("alone", known=("alone",))
    assert made.handle(Known(tuple(PLANS))) == (Prepare("all"),)
    assert made.handle(NotNow("all")) == ()
    assert commands(made, Conditions(), 3, Prepare) == []
    assert commands(made, Conditions(), 1, Prepare) == [Prepare("half")]
    assert made.handle(NotNow("half")) == ()
    assert commands(made, Conditions(), 7, Prepare) == []
    assert commands(made, Conditions(), 1, Prepare) == [Prepare("all")]
    assert made.handle(Ready("all"))[1:] == (Prepare("half"),)
    assert made.handle(NotNow("half")) == ()
    # It is the only one, and it is waited as at first.
    assert commands(made, Conditions(), 4, Prepare) == [Prepare("half")]


def machine_of_a_server_that_makes_nothing_ready() -> Adapting:
    """After it has been asked so often that it is waited for very long."""
    made = machine("alone", known=("alone",))
    made.handle(Known(tuple(PLANS)))
    for _ in range(9):
        made.handle(NotNow("all"))
    return made


def test_an_edge_server_that_answers_again_is_not_waited_for():
    made = machine_of_a_server_that_makes_nothing_ready()
    made.handle(ProbeFailed())
    assert commands(made, Conditions(), 20, Prepare) == []
    made.handle(probed(2048, 1.0))
    assert commands(made, Conditions(), 3, Prepare) == [Prepare("half")]


def test_an_edge_server_that_is_another_is_not_waited_for():
    made = machine_of_a_server_that_makes_nothing_ready()
    made.handle(Forgotten())
    assert commands(made, Conditions(), 3, Prepare) == [Prepare("half")]


def test_a_plan_is_judged_though_what_it_does_not_use_was_unusual_before():
    """A machine that it leaves out shows nothing more."""
    made = machine("all", "alone")
    answered(made, Conditions(up=4.0))  # once
    assert made.up.is_unsure
    nothing = Taken(0.0, 0.0, UNCLEAR_S)
    made.handle(
        Answered(
            "x", 0.1, nothing, nothing, Taken(0.1, 0.1, 0.001), nothing, math.inf, beside=False
        )
    )
    assert not made.up.is_unsure
