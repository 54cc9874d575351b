"""A process that works for an edge server; it ends when whoever started it does.

A model is a program: one that crashes ONNX Runtime, or takes all memory, takes this process along
and no other. It gives way to the edge server wherever both want the processor. Layers are timed by
the clock of their thread, which stands still meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from fusepath.errors import FusepathError, one_line
from fusepath.profiling import remembered_profile
from fusepath.profiling.layers import measure_layers
from fusepath.remote.located_model import AnotherModelError
from fusepath.remote.measuring.job import (
    AnotherModel,
    Answer,
    Job,
    Measured,
    MeasureJob,
    NotDone,
    TooLarge,
    VetPlan,
    Vetted,
    VetWhole,
    framed,
    read_job,
)
from fusepath.remote.open_inference.whole_model import WholeModel
from fusepath.runtime.edge_share import EdgeShare

if TYPE_CHECKING:
    from fusepath.onnx_io import Model
    from fusepath.remote.located_model import LocatedModel

_NICE = 10
"""Where there is one processor for both, the edge server gets nine tenths of it."""


def main() -> None:
    """Take jobs from standard input, and answer on standard output."""
    # Nothing else may come there, whatever a library prints.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: SimpleQueue[Job] = SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    job = jobs.get()
    _step_back(job.memory_bytes)
    with os.fdopen(answers, "wb") as pipe:
        while True:
            pipe.write(framed(_done(job)))
            pipe.flush()
            job = jobs.get()


def _read(jobs: SimpleQueue[Job]) -> None:
    """Hand jobs over; leave when whoever holds the other end of the pipe has let go of it."""
    try:
        with os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0) as pipe:
            while True:
                jobs.put(read_job(pipe))
    finally:
        os._exit(1)  # nothing that is left needs to be put in order


def _step_back(memory_bytes: int) -> None:
    """Take the processor only where nobody else wants it, and no more memory than one may."""
    os.nice(_NICE)
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 - which other systems lack

        # Counts what is written to, not what is only reserved, as threads do.
        _, most_bytes = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = [size for size in (memory_bytes, most_bytes) if size != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min(allowed), most_bytes))
        with suppress(OSError):  # where the machine's memory ends, this process is to go first
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _done(job: Job) -> Answer:
    try:
        return _answer(job, _loaded(job.model))
    except AnotherModelError as error:
        return AnotherModel(error.sha256)
    except FusepathError as error:
        return NotDone(str(error))
    except MemoryError:
        return TooLarge()
    except Exception as error:  # of a library that a model has confused
        return NotDone(f"it failed: {type(error).__name__}: {one_line(str(error))}")


@lru_cache(maxsize=1)
def _loaded(model: LocatedModel) -> Model:
    """Read it, unless it is that of the job before."""
    return model.load()


def _answer(job: Job, model: Model) -> Answer:
    match job:
        case MeasureJob(execution=execution, remembers=remembers):
            profiler = remembered_profile if remembers else measure_layers
            return Measured(profiler(model, execution=execution))
        case VetPlan(execution=execution, recipe=recipe):
            EdgeShare(model, recipe, execution=execution).run_blank()
        case VetWhole(execution=execution):
            WholeModel(model, execution=execution).rehearse(lambda run: run())
    return Vetted()


if __name__ == "__main__":
    main()
