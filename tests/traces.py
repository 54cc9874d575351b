"""Reads TrackEvent traces by the wire format alone, with the field numbers Perfetto documents."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

Fields = dict[int, list[Any]]


@dataclass(kw_only=True)
class Slice:
    name: str
    start_ns: int
    end_ns: int
    told: dict[str, int]


@dataclass(kw_only=True)
class Track:
    name: str
    process: str
    slices: list[Slice] = field(default_factory=list)


def read_trace(data: bytes) -> list[Track]:
    """Tracks in the order in which they are announced; raises where slices do not nest in time."""
    processes: dict[int, str] = {}
    tracks: dict[int, Track] = {}
    begun: dict[int, list[Slice]] = defaultdict(list)
    for packet in map(fields, fields(data)[1]):
        assert packet[10] == [1]
        if 60 in packet:
            (descriptor,) = map(fields, packet[60])
            (uuid,) = descriptor[1]
            if 3 in descriptor:
                (process,) = map(fields, descriptor[3])
                assert process[1][0] not in processes.values()
                processes[uuid] = process[6][0].decode()
            else:
                own = processes[descriptor[5][0]]
                tracks[uuid] = Track(name=descriptor[2][0].decode(), process=own)
            continue
        (event,) = map(fields, packet[11])
        ((at_ns,), (kind,), (uuid,)) = packet[8], event[9], event[11]
        track = tracks[uuid]
        if kind == 1:
            told = {}
            for note in map(fields, event.get(4, [])):
                told[note[10][0].decode()] = (note.get(4) or note[2])[0]
            new = Slice(name=event[23][0].decode(), start_ns=at_ns, end_ns=-1, told=told)
            assert not track.slices or track.slices[-1].end_ns <= at_ns
            track.slices.append(new)
            begun[uuid].append(new)
        else:
            assert kind == 2
            last = begun[uuid].pop()
            assert last.start_ns <= at_ns
            last.end_ns = at_ns
    assert not any(begun.values())
    return list(tracks.values())


def fields(data: bytes) -> Fields:
    """The fields of a message: numbers of varints, bytes of all that has a length."""
    found: Fields = defaultdict(list)
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        value, place = _varint(data, place)
        match key & 7:
            case 0:
                found[key >> 3].append(value)
            case 2:
                found[key >> 3].append(data[place : place + value])
                place += value
            case kind:
                raise AssertionError(f"wire type {kind} at {place}")
    assert place == len(data)
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
