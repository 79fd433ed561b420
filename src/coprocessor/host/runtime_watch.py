"""What a member's host watches about its cluster's next runtime: that its release carries it before an epoch takes it
(PROTOCOL 12). The enclave stops before a link whose runtime it lacks; people should know as soon as it is announced."""

from __future__ import annotations

import time
from typing import Any

from coprocessor.chain.instants import show_time
from coprocessor.host.worker_options import Surroundings
from coprocessor.sandbox.runtime import Runtimes, release_runtimes
from coprocessor.values.errors import EvidenceRefused
from coprocessor.values.identities import RuntimeId, to_hex

__all__ = ["LOOK_SECONDS", "RuntimeWatch"]

LOOK_SECONDS = 3.0
"""Between looks at the announcement."""


class RuntimeWatch:
    """One member's watch.

    Args:
        around: the host's shared parts.
        carried: runtimes of the release.
    """

    def __init__(self, around: Surroundings, carried: Runtimes | None = None) -> None:
        self._around = around
        self._carried = carried or release_runtimes()
        self._next_look = 0.0

    async def step(self) -> bool:
        """Looks, where it is time to; never gets anywhere by itself. Raises as the chain does.

        What is missing stands in the host's progress until the announcement is withdrawn, or for good.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        around = self._around
        runtime, ready = await around.contract("Clusters").read("next_runtimes", around.cluster)
        if any(runtime) and self._carried.find(RuntimeId(runtime)) is None:
            around.progress.wait_for("next runtime", _missing(runtime, ready, self._carried))
        else:
            around.progress.clear("next runtime")
        return False


def _missing(runtime: bytes, ready: Any, carried: Runtimes) -> EvidenceRefused:
    date = show_time(ready)
    return EvidenceRefused(
        "runtime.announced",
        f"the cluster takes runtime {to_hex(runtime)} with its first epoch after {date}, and this release lacks it",
        f"it carries {', '.join(map(to_hex, carried.ids))}",
        "install a release that carries it before then; until then everything goes on",
    )
