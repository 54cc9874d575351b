"""A decoder under Atheris, which looks for inputs that reach new code.

    python -m tests.fuzzing.guided plan corpus/ -max_total_time=600

Needs the package ``atheris``, in an environment that holds fusepath as well. Good inputs are
written into the folder; what fails is written where libFuzzer says.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fusepath"]):
    from tests.fuzzing.decoders import DECODERS
    from tests.fuzzing.hunt import LONGEST_REFUSAL


def main() -> None:
    """Go on until something fails, or libFuzzer's options say that it is enough."""
    decoder, folder = DECODERS[sys.argv[1]], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(decoder.seeds):
        (folder / f"seed-{place}").write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            decoder.decode(data)
        except decoder.refuses as no:
            said = str(no)
            assert len(said) <= LONGEST_REFUSAL, said
            assert said.isprintable(), said

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        """Our changes as often as libFuzzer's: it knows nothing of JSON and checksums."""
        chance = random.Random(seed)  # noqa: S311 - no secret
        if chance.randrange(2):
            return atheris.Mutate(data, most)
        try:
            return decoder.mutation(chance, [data])[:most]
        except ValueError:  # no JSON
            return atheris.Mutate(data, most)

    # Atheris reads the file's name and libFuzzer's arguments.
    atheris.Setup([sys.argv[0], *sys.argv[2:]], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
