"""An edge server that computes nothing before everything has arrived.

Beside a device that sends nothing before everything is computed it shows what a plan's tiles are
worth without overlap.
"""

from __future__ import annotations

import argparse
import asyncio
import json

from fusepath.remote.edge_service import EdgeService
from fusepath.remote.grpc_server import EdgeServer, serve
from fusepath.remote.model_store import ModelStore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    service = EdgeService(ModelStore(), overlaps=False)
    server = EdgeServer(parser.parse_args().listen, service)
    asyncio.run(
        serve(server, ready=lambda address, _: print(json.dumps({"listen": address}), flush=True))
    )


if __name__ == "__main__":
    main()
