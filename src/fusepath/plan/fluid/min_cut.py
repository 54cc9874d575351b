"""Maximum flow, for the weighted problems behind the fluid bound."""

from __future__ import annotations

from collections import deque

INFINITE = float("inf")
_EPSILON = 1e-12
"""Relative to the largest capacity: less than this is no room."""


class FlowNetwork:
    """A directed network with capacities; Dinic's algorithm."""

    def __init__(self, nodes: int) -> None:
        self._edges: list[list[int]] = [[] for _ in range(nodes)]
        self._to: list[int] = []
        self._room: list[float] = []
        self._largest = 0.0

    def add(self, start: int, end: int, capacity: float) -> None:
        """Join two nodes; capacity 0 adds nothing."""
        if capacity <= 0:
            return
        for a, b, room in ((start, end, capacity), (end, start, 0.0)):
            self._edges[a].append(len(self._to))
            self._to.append(b)
            self._room.append(room)
        if capacity < INFINITE:
            self._largest = max(self._largest, capacity)

    def send(self, source: int, sink: int) -> float:
        """Send what fits and return how much that is.

        It never exceeds the capacity of any cut, even where rounding makes it miss the maximum.
        """
        total = 0.0
        while (level := self._levels(source))[sink] >= 0:
            total += self._fill(source, sink, level)
        return total

    def reachable(self, source: int) -> list[bool]:
        """After `send`: the nodes on the source's side of a smallest cut."""
        return [level >= 0 for level in self._levels(source)]

    def _levels(self, source: int) -> list[int]:
        level = [-1] * len(self._edges)
        level[source] = 0
        queue = deque([source])
        while queue:
            node = queue.popleft()
            for edge in self._edges[node]:
                to = self._to[edge]
                if level[to] < 0 and self._room[edge] > _EPSILON * self._largest:
                    level[to] = level[node] + 1
                    queue.append(to)
        return level

    def _fill(self, source: int, sink: int, level: list[int]) -> float:
        """Send along rising levels until nothing more fits; what was sent."""
        edges, target, room = self._edges, self._to, self._room
        least = _EPSILON * self._largest
        at = [0] * len(edges)
        total = 0.0
        path: list[int] = []
        node = source
        while True:
            if node == sink:
                pushed = min(room[edge] for edge in path)
                for edge in path:
                    room[edge] -= pushed
                    room[edge ^ 1] += pushed
                total += pushed
                full = next(place for place, edge in enumerate(path) if room[edge] <= least)
                node = target[path[full] ^ 1]
                del path[full:]
            elif at[node] == len(edges[node]):
                if not path:
                    return total
                node = target[path.pop() ^ 1]
                at[node] += 1
            else:
                edge = edges[node][at[node]]
                to = target[edge]
                if level[to] == level[node] + 1 and room[edge] > least:
                    path.append(edge)
                    node = to
                else:
                    at[node] += 1
