"""The process that measures a model for an edge server; it ends when whoever started it does.

A model is a program: one that crashes ONNX Runtime, or takes all memory, takes this process along
and no other. It gives way to the edge server wherever both want the processor. Layers are timed by
the clock of their thread, which stands still meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

from fusepath.errors import FusepathError
from fusepath.onnx_io.complaint import one_line
from fusepath.profiling import remembered_profile
from fusepath.profiling.layers import measure_layers
from fusepath.remote.located_model import AnotherModelError
from fusepath.remote.measuring.job import (
    AnotherModel,
    Answer,
    Measured,
    MeasureJob,
    NotMeasured,
    TooLarge,
    framed,
    read_job,
)

_NICE = 10
"""Where there is one processor for both, the edge server gets nine tenths of it."""


def main() -> None:
    """Take a job from standard input, and answer on standard output."""
    # Nothing else may come there, whatever a library prints.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    asked = sys.stdin.fileno()
    with os.fdopen(os.dup(asked), "rb", buffering=0) as pipe:
        job = read_job(pipe)
    threading.Thread(target=_end_with, args=(asked,), daemon=True).start()
    _step_back(job.memory_bytes)
    answer = _done(job)
    with os.fdopen(answers, "wb") as pipe:
        pipe.write(framed(answer))
    os._exit(0)  # nothing that is left needs to be put in order


def _end_with(pipe: int) -> None:
    """Leave when whoever holds the other end of a pipe has let go of it."""
    os.read(pipe, 1)
    os._exit(1)


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


def _done(job: MeasureJob) -> Answer:
    profiler = remembered_profile if job.remembers else measure_layers
    try:
        return Measured(profiler(job.model.load(), execution=job.execution))
    except AnotherModelError as error:
        return AnotherModel(error.sha256)
    except FusepathError as error:
        return NotMeasured(str(error))
    except MemoryError:
        return TooLarge()
    except Exception as error:  # of a library that a model has confused
        return NotMeasured(f"measuring it failed: {type(error).__name__}: {one_line(str(error))}")


if __name__ == "__main__":
    main()
