"""What works behind a session: an event loop on a thread of its own.

It answers frames with the best plan that is prepared, while `PlanSearch` looks for a better one. A
plan takes over between two frames. Between frames the edge server is asked for a sign of life, and
now and then the clocks are compared. Where it fails, this machine answers alone until it is back.

The engine knows nothing of the session, so that a session that nobody holds any more can go.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import logging
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fusepath.errors import (
    ClosedError,
    FusepathError,
    PeerError,
    PeerFailedError,
    PeerUnreachableError,
    is_final,
    retry_after_s,
)
from fusepath.offload.adaptation import Adaptation
from fusepath.offload.background import Background, seen
from fusepath.offload.connection import Connection
from fusepath.offload.device import check_image
from fusepath.offload.forwarding import quicker
from fusepath.offload.liveness import Liveness
from fusepath.offload.loop_thread import CLOSED, LoopThread
from fusepath.offload.order import FallbackPolicy
from fusepath.offload.pairing import Pairing, Prepared
from fusepath.offload.plan_search import PlanSearch
from fusepath.offload.replanning import Replanning
from fusepath.offload.rotating import Rotating
from fusepath.offload.statistics import Counter
from fusepath.pictures.frame import PictureFrame
from fusepath.plan import Plan, PlanRequest
from fusepath.protocol.device_frame import Fallback, Stage
from fusepath.protocol.story import told
from fusepath.protocol.watch import Failed, Served, ServedLate

if TYPE_CHECKING:
    from fusepath.offload.inference import Asked, Inference
    from fusepath.offload.line import Line
    from fusepath.offload.order import Order
    from fusepath.offload.rotating import PlansInTurn
    from fusepath.pictures.frame import Frame
    from fusepath.timeline import Timeline

logger = logging.getLogger(__name__)

_SIGN_OF_LIFE_EVERY_S, _SIGN_OF_LIFE_WITHIN_S = 1.0, 1.5
_CLOCKS_EVERY = 10
"""So many signs of life."""


class Engine:
    """Runs until it is closed.

    Args:
        order: what is asked for; it is taken to have been checked.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.counter = Counter()
        self.current: Prepared | None = None
        """The plan in use."""
        self._found: Prepared | None = None
        """The plan in use, or else it would be if the edge server were there."""
        self._away: str | None = None
        """Why the edge server is not used."""
        self._lost: Prepared | None = None
        """The plan that was in use with it, and cannot be before it is ready again."""
        self._refused_by: set[int | None] = set()
        """The edge servers that would say no to the same again."""
        self._searched_with: str | None = None
        """The address of the edge server that the plan in use was found for."""
        self.error: BaseException | None = None
        """Why no better plan is being looked for any more."""
        self.ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.closed = False
        self._finishing: asyncio.Task[None] | None = None
        self._background = Background()
        self._pairing = Pairing(
            model=order.model,
            emulation=order.options.emulation,
            execution=order.options.execution,
            background=self._background,
        )
        self._connection = Connection(order, self._pairing)
        self._liveness = Liveness(self)
        self._lines: weakref.WeakSet[Line] = weakref.WeakSet()
        self._adding = threading.RLock()
        self._first: asyncio.Future[None] | None = None
        """Done when there is a plan, after there was none."""
        self._meeting = asyncio.Lock()
        self.loop = LoopThread()
        self._running: concurrent.futures.Future[None] = self.loop.submit(self._run())

    @property
    def predicted(self) -> Timeline | None:
        """What the next frame will do with the plan in use; from any thread."""
        current = self.current
        if current is None:
            return None
        return self._pairing.forecast.timeline(current.recipe_sha256, current.predicted)

    # ------------------------------------------------------------------ answering frames

    async def infer(
        self,
        image: Frame,
        begun_s: float,
        asked: Asked,
        *,
        overlapping: bool = False,
    ) -> Inference:
        """One inference with the plan in use; others may overlap with it.

        Raises:
            ClosedError: the session was closed meanwhile.
            FusepathError: there is no plan, and there will be none; or its edge server failed.
        """
        prepared: Prepared | None = None
        try:
            usual, alone = await self._plan_for(image)
            async with self._pairing.turn(begun_s, overlapping=overlapping) as turn:
                away = self._away  # as it is by now: frames may have waited long
                if self._is_planned_for(image):
                    prepared = self._chosen(overlapping=overlapping, image=image)
                else:  # frames of another type have come while it waited
                    prepared = alone or usual
                    self._check_of_use(prepared, is_current=False)
                inference = await self._pairing.infer_now(prepared, image, asked, turn)
        except PeerError as error:
            if self.closed:  # which ends streams as well, maybe before whoever waits for them
                raise ClosedError(CLOSED) from None
            # One that cannot be computed tells nothing of the next one.
            if prepared is not None and not isinstance(error, PeerFailedError):
                self._fail(str(error), retry_after_s(error), away)
            self._name_limits(error)
            raise
        if inference.fallback is not None:
            if self.closed:  # which the edge server has no part in
                raise ClosedError(CLOSED)
            self._fell_back()
            self._fail(inference.fallback.reason, inference.fallback.retry_after_s, away)
        elif self._away is not None and prepared.is_local:
            self._fell_back()
            inference = replace(inference, fallback=Fallback(self._away, Stage.AWAY))
        elif not inference.reused.everything:
            if not prepared.is_local:
                self._liveness.tell(ServedLate() if inference.late else Served())
            as_planned = not inference.reused.paths
            if as_planned and not (overlapping or inference.late):
                self._pairing.forecast.see(prepared.recipe_sha256, inference.timeline)
            if as_planned and self._adaptation is not None:
                self._adaptation.see(inference, prepared)
                self._follow()
        self.counter.add(inference, prepared.recipe_sha256)
        return inference

    async def _plan_for(self, image: Frame) -> tuple[Prepared, Prepared | None]:
        """The plan in use, for frames of this type, and how this machine answers alone if it may.

        Where there is none, one type of frames after the other has it made, and is answered.

        Raises:
            ImageError: it is a picture that breaks off, and plans would be tried on it.
            FusepathError: there is no plan, and there will be none.
        """
        if isinstance(self._order.plan, Plan):
            check_image(image, self._order.model, self._order.plan)
        if not self._is_planned_for(image):
            async with self._meeting:
                if isinstance(image, PictureFrame):  # or every frame would fail for it
                    await self._background.do(image.pixels)
                self._meet(image)
                if self.current is None:
                    assert self._first is not None  # since plans are looked for
                    await asyncio.shield(self._first)
        assert self.current is not None
        return self.current, self._pairing.reserve

    def _is_planned_for(self, image: Frame) -> bool:
        """Whether there is a plan in use, for frames of this type."""
        return self.current is not None and self._is_for(image)

    def _chosen(self, image: Frame, *, overlapping: bool) -> Prepared:
        """The plan of a frame whose turn has come.

        Raises:
            PeerError: as of `_check_of_use`.
        """
        prepared = self.current
        assert prepared is not None
        self._check_of_use(prepared)
        if prepared is self._found:  # and not what is used in its place
            prepared = (overlapping and self._next_in_turn()) or prepared
            prepared = quicker(prepared, self._pairing.beside, image)
        return prepared

    def _next_in_turn(self) -> Prepared | None:
        """The plan of the next frame of a stream, where frames take several in turn."""
        if self._rotating is None or self._away is not None:
            return None
        return self._rotating.next()

    def _follow(self) -> None:
        """See to it that plans in turn are for what link and machines are like."""
        machine = None if self._adaptation is None else self._adaptation.machine
        if self._rotating is not None and machine is not None:
            self._rotating.follow(machine.conditions)

    @property
    def plans_in_turn(self) -> PlansInTurn | None:
        """What frames of a stream take in turn."""
        return None if self._rotating is None else self._rotating.shown

    def _check_of_use(self, prepared: Prepared, *, is_current: bool = True) -> None:
        """Raise where no plan is of use: the edge server is lost, and this machine may not answer.

        Args:
            prepared: would answer.
            is_current: whether it is the plan in use, which may be one to see if it answers.

        Raises:
            PeerError: why it is lost.
        """
        lost = prepared is self._lost or not (is_current or prepared.is_local)
        if self._away is not None and lost:
            server = self._server or ", ".join(self._order.edges)
            reason = self._away.removeprefix(f"edge {server}: ")
            raise PeerUnreachableError(server, f"not used until it answers again ({reason})")
        if self._order.options.fallback is not FallbackPolicy.OFF:
            return
        local = self._plans.local
        if local is None or not local.done() or local.cancelled() or local.exception():
            return
        if isinstance(self.error, PeerError) and local.result() is prepared:
            raise self.error.with_traceback(None)  # that of every frame would be added

    def _name_limits(self, error: PeerError) -> None:
        """Say what else keeps a frame from being answered."""
        if self._pairing.forbidden:
            limits = "; ".join(self._pairing.forbidden)
            error.add(f"limits keep this machine from answering in its place: {limits}")

    def _fail(self, reason: str, retry_after_s: float, away: str | None) -> None:
        """The edge server has failed a frame; of several under way the first one tells.

        Args:
            reason: what it did.
            retry_after_s: how long it asks to be left alone.
            away: why it was not to be used already when the frame began.
        """
        if away is self._away:
            if away is not None and self.current is not None and not self.current.is_local:
                self._lost = self.current  # which was tried in vain
            self._liveness.tell(Failed(reason, retry_after_s))

    def _meet(self, image: Frame) -> None:
        """See to it that plans are for frames of this type."""
        sample = self._plans.sample
        if not sample.done():
            sample.set_result(_kept(image))
        elif not self._is_for(image):
            # Pixels before, values now, or the other way round: all that was planned is void.
            self._give_up()
            self.error = None
            self.current = self._found = self._pairing.reserve = self._pairing.beside = None
            self._begin(_kept(image))

    def _is_for(self, image: Frame) -> bool:
        """Whether plans are for frames of this type."""
        sample = self._plans.sample
        return sample.done() and not _differs(sample.result(), image)

    def _give_up(self) -> None:
        """Look for plans no longer."""
        self._searching.cancel()
        self._plans.give_up()
        for following in (self._adaptation, self._rotating):
            if following is not None:
                following.close()

    # ------------------------------------------------------------------ looking for plans

    async def _run(self) -> None:
        """The engine's life."""
        self._begin(self._order.options.sample)
        try:
            for number in itertools.count(1):
                await asyncio.sleep(_SIGN_OF_LIFE_EVERY_S)
                self._ready_to_finish()
                await self._see_whether_it_lives(number)
        finally:
            self._liveness.close()
            self._give_up()
            with suppress(asyncio.CancelledError, Exception):
                await self._searching
            await self._connection.close()

    def _begin(self, sample: Frame | None, in_use: Prepared | None = None) -> None:
        """Look for plans from the start; another may be in use until one is found."""
        loop = asyncio.get_running_loop()
        if self.current is None and (self._first is None or self._first.done()):
            self._first = loop.create_future()
            self._first.add_done_callback(seen)
        connect = self._connection.open
        self._plans = PlanSearch(self._order, self._pairing, connect, self._use, in_use)
        self._adaptation: Adaptation | None = None
        self._rotating: Rotating | None = None
        if sample is not None:
            self._plans.sample.set_result(sample)
        self._searching = loop.create_task(self._search())

    async def _search(self) -> None:
        try:
            await self._plans.run()
            self._searched_with = self._server
            await self._follow_on()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.error = error
            self._settle(error)
            if not isinstance(error, FusepathError):
                logger.info("looking for a plan failed", exc_info=error)
            if self._plans.local is not None:  # which may do without whatever has failed
                await asyncio.wait([self._plans.local])
            if is_final(error):
                self._refused_by.add(self._instance)
            if isinstance(error, PeerError):
                self._liveness.tell(Failed(str(error), retry_after_s(error)))
            if self._first is not None and not self._first.done():
                self._first.set_exception(error)
        else:
            self._settle(None)

    async def _follow_on(self) -> None:
        """With the plan of a single frame: those of a stream, and others as the link changes.

        Raises:
            FusepathError: there are no plans as are asked for a stream, or the edge server failed.
        """
        learned, sample = self._plans.learned, self._plans.known_sample
        if learned is None or sample is None:
            return
        assert self._found is not None  # it is what was learned for
        replanning = Replanning(
            order=self._order, pairing=self._pairing, learned=learned, sample=sample
        )
        if self._order.follows_link:
            self._adaptation = Adaptation(replanning, self._use)
            self._adaptation.begin(self._found)
        if self._order.plans_turns:
            rotating = Rotating(replanning, self._order.objective, lambda: self._found)
            await rotating.find()
            self._rotating = rotating

    def _settle(self, error: BaseException | None) -> None:
        """Tell who waits for the best plan; whoever does so first is right."""
        with suppress(concurrent.futures.InvalidStateError):
            if error is None:
                self.ready.set_result(None)
            else:
                self.ready.set_exception(error)

    def _use(self, prepared: Prepared) -> None:
        self._found = prepared
        looking = self._pairing.reserve is None and not self._searching.done()
        if self._away is None or prepared.is_local or looking:
            self._put_to_use(prepared)

    def _put_to_use(self, prepared: Prepared) -> None:
        self.current = prepared
        if self._first is not None and not self._first.done():
            self._first.set_result(None)

    def _ready_to_finish(self) -> None:
        """See to it that frames of the plan in use can be finished; no other plan is tried now."""
        done = self._finishing is None or self._finishing.done()
        if self.current is not None and self._searching.done() and done:
            work = self._pairing.ready_to_finish(self.current)
            self._finishing = asyncio.get_running_loop().create_task(work)
            self._finishing.add_done_callback(seen)

    # ------------------------------------------------------------------ the edge server

    def _fell_back(self) -> None:
        if self._pairing.client is not None:  # which tells the edge server once it answers
            self._pairing.client.answered_alone += 1

    async def _see_whether_it_lives(self, number: int) -> None:
        """Ask for a sign of life, where it is needed, and no inference shows it."""
        client, found = self._pairing.client, self._found
        needed = found is None or not found.is_local or not self._searching.done()
        needed |= self.plans_in_turn is not None
        if client is None or self._away or not needed or self._pairing.is_busy:
            return
        try:
            await client.greet(within_s=_SIGN_OF_LIFE_WITHIN_S)
            if number % _CLOCKS_EVERY == 0:  # which would wait for longer
                await self._pairing.compare_clocks()
        except FusepathError as error:
            if not self._pairing.is_busy:  # or the inference will show
                self._liveness.tell(Failed(str(error), retry_after_s(error)))

    def story(self, frames: int) -> list[str]:
        """Of the last frames, and of the edge server; from any thread."""
        stories = list(self._pairing.stories)
        chosen = stories[-frames:] if frames > 0 else []
        lines = []
        for back, story in zip(range(len(chosen), 0, -1), chosen, strict=True):
            lines += [f"frame -{back}: {line}" for line in told(tuple(story))]
        return lines + [f"edge server: {line}" for line in told(tuple(self._liveness.watch.story))]

    def use_alone(self, reason: str) -> None:
        """Answer frames without the edge server, if this machine may."""
        self._away = reason
        if self._pairing.reserve is not None:
            self._put_to_use(self._pairing.reserve)
        elif self.current is not None and not self.current.is_local:
            self._lost = self.current

    def use_together(self) -> None:
        """Answer frames with the plan that was found, whatever it needs."""
        self._away = self._lost = None
        if self._found is not None:
            self._put_to_use(self._found)

    async def dial(self) -> None:
        """See whether the edge server answers."""
        await self._connection.look(within_s=_SIGN_OF_LIFE_WITHIN_S)

    @property
    def _server(self) -> str | None:
        client = self._pairing.client
        return None if client is None else client.address

    @property
    def _instance(self) -> int | None:
        """Which edge server there is, by what it drew when it was started."""
        client = self._pairing.client
        return None if client is None else client.instance

    async def make_ready(self) -> None:
        """Have the plan that was found made ready again, or look for one anew."""
        if is_final(self.error) and self._instance in self._refused_by:
            await self._connection.move_on()
            if self._instance in self._refused_by:
                raise self.error
        if isinstance(self.error, PeerError):
            self.error = None
            if self.ready.done():
                self.ready = concurrent.futures.Future()
            self._begin(self._plans.known_sample)
        elif self._found is not None:
            before, plans = self._found, self._plans
            await self._pairing.prepare_again(before)
            await self._pairing.compare_clocks()
            if self._plans is not plans:
                return  # frames of another type have come, and plans for them are looked for
            if self._server != self._searched_with and isinstance(self._order.plan, PlanRequest):
                self._give_up()
                self._begin(self._plans.known_sample, before)  # for another machine and link
                return
            if self._adaptation is not None:
                await self._adaptation.look()  # the link may be another by now
                if self._plans is not plans:
                    return
            others = () if self._rotating is None else self._rotating.prepared
            for prepared in (self._found, *others):
                if prepared is not before:
                    await self._pairing.prepare_again(prepared)

    # ------------------------------------------------------------------ the end

    def end_with_it(self, line: Line) -> None:
        """A stream of frames ends with the session; from any thread."""
        with self._adding:
            self._lines.add(line)
        if self.closed:
            line.close()

    def close(self) -> None:
        """End everything; from any thread but the loop's own."""
        if self.closed:
            return
        self.closed = True
        self._settle(ClosedError(CLOSED))
        if not self.loop.is_running:
            return
        with self._adding:
            lines = tuple(self._lines)
        for line in lines:
            line.close()
        self._running.cancel()
        self.loop.end(self._connection.close())
        self._background.close()
        if self.loop.join():
            self._pairing.close()

    def forget(self) -> None:
        """In a forked child, which has none of the threads: nothing of it may be touched."""
        self.closed = True


def _kept(image: Frame) -> Frame:
    """The same, whatever becomes of an array that is its owner's."""
    return image if isinstance(image, PictureFrame) else image.copy()


def _differs(sample: Frame, image: Frame) -> bool:
    """Whether plans made with a sample are none for this: of another type, or the first file."""
    first_file = isinstance(image, PictureFrame) and not isinstance(sample, PictureFrame)
    return first_file or sample.dtype != image.dtype
