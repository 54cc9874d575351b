"""Sessions through faults as they are told, drawn and played again."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from random import Random

import pytest

from fusepath.cli.main import run
from fusepath.cli.studio import faults_command
from fusepath.errors import InputError
from fusepath.faults import FAULTS, Answer, play
from fusepath.faults.network import a_lie, mangle
from fusepath.protocol.watch import Watch
from fusepath.studio.conversation import Axis, Scene, conversation_drawing


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_is_asked_for_is_the_only_one_and_is_drawn(fault):
    told = play(3, fault)

    assert told.is_right, told.words
    assert [item.name for item in told.story.faults] == [fault]
    scene = Scene(told.story)
    assert 3 <= len(scene.frames) <= len(told.story.frames)
    drawn = conversation_drawing(scene)
    ET.fromstring(f"<div>{drawn}</div>")  # noqa: S314 - our own
    assert drawn.count('class="fault"') == 1
    assert drawn.count("<line ") == len(scene.messages) > 3


def test_what_a_killed_server_leaves_to_the_device_is_told_of_every_frame():
    told = play(1, "kill")

    (fault,) = told.story.faults
    assert fault.ended_s > fault.begun_s
    frames = list(told.story.frames.values())
    answers = {answer: sum(frame.answer is answer for frame in frames) for answer in Answer}
    assert answers[Answer.FELL_BACK] == told.outcome.fell_back > 0
    assert answers[Answer.ALONE] == told.outcome.alone > 0
    assert len(frames) == told.outcome.frames
    assert all(frame.ended_s is not None for frame in frames)
    assert all(frame.reason for frame in frames if frame.answer is not Answer.TOGETHER)
    lost = [message for message in told.story.messages if not message.arrived]
    assert lost
    drawn = conversation_drawing(Scene(told.story))
    assert ">×<" in drawn
    assert "arrives nowhere" in drawn


def test_a_fault_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="no fault 'rain'; there are kill, "):
        play(0, "rain")


def test_what_goes_wrong_in_a_session_is_told_and_is_no_error(monkeypatch):
    monkeypatch.setattr(Watch, "_try_later", lambda *_: [])

    told = play(5, "kill")

    assert not told.is_right
    assert told.words.startswith("violation: Violation: ")


def test_time_goes_to_the_right_and_long_gaps_are_cut():
    axis = Axis([0.0, 0.001, 0.002, 9.0])

    places = [axis.at(time_s) for time_s in (-1.0, 0.0, 0.0005, 0.001, 0.002, 5.0, 9.0, 10.0)]
    assert places == sorted(places)
    assert len(set(places)) == 6
    assert [gap_s for _, gap_s in axis.cut] == [8.998]


def test_the_command_line_plays_it_again(capfd):
    told = play(5, "kill")
    _, *arguments = shlex.split(faults_command(told))

    assert run(arguments) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines == [*map(str, told.story.lines), told.words]
    assert run([*arguments, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["story"] == lines[:-1]
    assert (document["seed"], document["fault"], document["right"]) == (5, "kill", True)
    assert run(["faults", "--list", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["faults"] == list(FAULTS)
    assert run(["faults", "--list"]) == 0
    assert capfd.readouterr().out.splitlines() == list(FAULTS)


def test_a_session_that_does_wrong_is_exit_code_1(monkeypatch, capfd):
    monkeypatch.setattr(Watch, "_try_later", lambda *_: [])

    assert run(["faults", "--seed", "5", "--fault", "kill"]) == 1
    assert "violation" in capfd.readouterr().out


def test_what_was_made_up_may_be_garbled_on_the_way_as_well():
    random = Random(0)  # noqa: S311 - nothing secret

    for _ in range(500):
        lie = a_lie(random)
        assert all(message[0] for message in mangle(lie, random))
