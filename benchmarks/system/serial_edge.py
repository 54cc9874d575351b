"""An edge server that computes nothing before everything has arrived.

Beside a device that sends nothing before everything is computed it shows what a plan's tiles are
worth without overlap.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from fusepath.remote.model_store import ModelStore
from fusepath.remote.server import EdgeServer, serve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    server = EdgeServer(parser.parse_args().listen, ModelStore(), overlaps=False)
    asyncio.run(
        serve(server, ready=lambda address: print(json.dumps({"listen": address}), flush=True))
    )


if __name__ == "__main__":
    main()
