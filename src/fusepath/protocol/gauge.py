"""How many times slower something is than plans take it to be, told from what frames take anyway.

One frame tells little: links are shared, and machines pause. So what is believed stays until frames
in a row say otherwise, all to the same side, each by more than they differ anyway, together by more
than chance explains, and by so much that it matters to them; then it is what they say. Of frames to
the slower side the quickest is believed at first, of quicker ones the slowest. Within that, the
middle of the last frames is believed.

Something that seems to become quicker and soon is not (a link with a burst, which is quick until
the burst is spent) is believed to be quicker ever more slowly. That it is slower is always believed
soon, for that is what costs time.

What plans do not use shows nothing, whatever became of it: a machine that was slow for a while
would never be used again. So that it is slow is forgotten after some time, and after ever more
where it turns out to be slow still. Of links, probes tell.

No clock, socket or thread is in here.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

FRAMES = 2
"""In a row that are believed, if they say enough together."""
FEW = 3
"""After a change, so many frames are believed at once: what comes first may be of before."""
RECENT = 40
"""Frames that what is believed is the middle of."""
SOON = 40
"""Within so many frames of becoming quicker, becoming slower shows that it was but a burst."""
FORGIVEN = 200
"""Frames in a row as expected after which all is forgotten."""
MOST_DOUBT = 32
HIDDEN = 100
"""Frames in a row that show nothing of a machine, after which it is believed to be as planned;"""
MOST_PATIENCE = 32
"""so many times more at most, where it is not."""
_LEAST, _MOST = math.log(1.2), math.log(2.0)
"""Frames are unusual from the one on at most, from the other at least."""
_NOISES = 3.0
"""What is unusual: so many times what frames usually differ by."""
CONVINCING = 10.0
"""Together they are off by so many times what frames usually differ by. Two are by chance once in
10 million frames, if differences are distributed normally, and so are three that are unusual."""
_LEARNS_MORE, _LEARNS_LESS = 0.06, 0.04
"""How much of it frames tell that differ by more than usual, or by less: so little that some that
happen to differ less do not make others seem to be of another speed."""
_NOISE = 0.05


@dataclass(frozen=True, slots=True)
class Taken:
    """What a frame took of something."""

    measured_s: float
    planned_s: float
    """At the speed that plans were made for."""
    unclear_s: float
    """It may have been so much more or less, or it does not matter."""


@dataclass(slots=True)
class Gauge:
    """Follows one thing."""

    slowness: float = 1.0
    """Believed: it takes so many times what it would at the speed that plans were made for."""
    is_probed: bool = True
    """Whether something else shows it where frames do not."""
    _recent: list[float] = field(default_factory=lambda: [1.0] * FEW)
    _run: list[float] = field(default_factory=list)
    """What frames in a row have said that are unusual to the same side."""
    noise: float = _NOISE
    """How much frames usually differ from what is believed, as a logarithm."""
    _doubt: int = 1
    """So many times more frames are waited for until it is believed to be quicker."""
    _since_quicker: int = SOON
    _usual: int = 0
    """Frames in a row that were as expected."""
    _shows: bool = False
    """Whether the last frame has shown anything."""
    _hidden: int = 0
    """Frames in a row that have shown nothing."""
    _patience: int = 1
    """So many times more of these are waited for."""

    def tells(self, planned_s: float, unclear_s: float) -> bool:
        """Whether a frame would show that this becomes quicker."""
        return planned_s * self.slowness > 2 * unclear_s

    def is_shown_by(self, taken: Taken) -> bool:
        """Whether something took long enough, or should have, to show how quick this is."""
        expected_s = taken.planned_s * self.slowness
        return taken.planned_s > 0 and max(taken.measured_s, expected_s) > 2 * taken.unclear_s

    def is_quicker(self, taken: Taken) -> bool:
        """Whether something took less than believed, beyond what is unclear."""
        return _deviation(taken, self.slowness) < -_LEAST

    @property
    def is_unsure(self) -> bool:
        """Whether the last frame was unusual, and it is not known yet what that means."""
        return self._shows and bool(self._run)

    @property
    def is_trusted(self) -> bool:
        """Whether it has not been quick in bursts."""
        return self._doubt == 1

    def forget(self) -> None:
        """Believe what the next frames say at once, whatever bursts there were."""
        self._doubt = 1
        self._recent.clear()
        self._run.clear()

    def tell(self, slowness: float) -> None:
        """Somebody says so: believe it where frames do not show it, and it is more.

        That it is less is no news: of what makes this slow, somebody may not know.
        """
        if self._shows or slowness < self.slowness:
            return
        self._hidden = 0
        if slowness > self.slowness:
            self.slowness = slowness
            self._recent.clear()
            self._run.clear()

    def handle(self, taken: Taken) -> None:
        """Take in what a frame took."""
        if not self.is_shown_by(taken):
            self._miss()
            return
        self._shows = True
        self._hidden = 0
        said = max(taken.measured_s, taken.unclear_s) / taken.planned_s
        unusual = self._unusual
        deviation = _deviation(taken, self.slowness)
        slower = deviation > 0
        self._since_quicker += 1
        is_usual = abs(deviation) <= unusual
        is_new = len(self._recent) < FEW and (self._doubt == 1 or slower)
        if is_usual or is_new:
            if deviation > unusual:
                self._was_it_a_burst()
            self._break_off()
            self._learn(said)
            self._recent = [*self._recent, said][-RECENT:]
            self.slowness = self._middle()
            self._usual = self._usual + 1 if is_usual else 0
            if self._usual >= FORGIVEN:
                self._doubt = self._patience = 1
            return
        self._usual = 0
        if self._run and (self._run[0] > self.slowness) != slower:
            self._break_off()
        self._run.append(said)
        if len(self._run) >= (FRAMES if slower else FRAMES * self._doubt) and self._is_convincing:
            self._change(slower=slower)

    def _miss(self) -> None:
        """A frame shows nothing: whether that it is slow has been believed for long enough."""
        self._shows = False
        if self.is_probed or self.slowness <= 1.0:
            return
        self._hidden += 1
        if self._hidden >= HIDDEN * self._patience:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self.slowness = 1.0
            self._recent.clear()
            self._run.clear()

    @property
    def _unusual(self) -> float:
        """A frame that differs by more may be of another speed."""
        return min(max(_LEAST, _NOISES * self.noise), _MOST)

    def _learn(self, said: float) -> None:
        """What a frame says differs by chance."""
        off = min(abs(math.log(said / self.slowness)), self._unusual)
        learns = _LEARNS_MORE if off > self.noise else _LEARNS_LESS
        self.noise += learns * (off - self.noise)

    def _break_off(self) -> None:
        """What seemed to be another speed was chance."""
        for said in self._run[:FRAMES]:
            self._learn(said)
        self._run.clear()

    @property
    def _is_convincing(self) -> bool:
        """Whether frames in a row are further off together than noise is."""
        off = sum(abs(math.log(said / self.slowness)) for said in self._run)
        return off >= CONVINCING * self.noise

    def _middle(self) -> float:
        """Of the last frames; of something that is quick in bursts, one of the slower ones."""
        if self._doubt == 1:
            return statistics.median(self._recent)
        return sorted(self._recent)[(3 * len(self._recent)) // 4]

    def _was_it_a_burst(self) -> None:
        """Doubt that it becomes quicker, if it was so until just now."""
        if self._since_quicker < SOON:
            self._since_quicker = SOON
            self._doubt = min(2 * self._doubt, MOST_DOUBT)

    def _change(self, *, slower: bool) -> None:
        """Believe the last frames."""
        if not slower:
            self._since_quicker = 0
        else:
            self._was_it_a_burst()
        self._recent = self._run[-FRAMES:]
        self._run = []
        self.slowness = min(self._recent) if slower else max(self._recent)


def _deviation(taken: Taken, slowness: float) -> float:
    """By how much something was slower than expected, as a logarithm, beyond what is unclear."""
    expected_s = taken.planned_s * slowness
    least_s, most_s = taken.measured_s - taken.unclear_s, taken.measured_s + taken.unclear_s
    return math.log(min(max(expected_s, least_s), most_s) / expected_s)
