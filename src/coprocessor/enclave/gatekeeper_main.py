"""The gatekeeper's enclave process."""

from __future__ import annotations

import os

from coprocessor.enclave.gatekeeper import GatekeeperCore, GatekeeperSurroundings
from coprocessor.enclave.loop import serve
from coprocessor.enclave.messages import GATEKEEPER_REPLIES, GATEKEEPER_REQUESTS, simulated
from coprocessor.enclave.process import read_start

__all__ = ["main"]


def main() -> None:
    """Serves one host over the inherited socket until it stops."""
    start = read_start("enclave of a gatekeeper")
    surroundings = GatekeeperSurroundings(
        entropy=os.urandom,
        seal_key=start.attester.seal_key(b"gatekeeper-share"),
        platform=start.platform,
        simulated=start.attester.is_simulated,
    )
    tables = (GATEKEEPER_REQUESTS, GATEKEEPER_REPLIES)
    if start.attester.is_simulated:
        tables = (simulated(GATEKEEPER_REQUESTS), simulated(GATEKEEPER_REPLIES))
    serve(start.channel, GatekeeperCore(surroundings), start.attester, *tables)


if __name__ == "__main__":
    main()
