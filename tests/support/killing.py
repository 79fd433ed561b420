"""A rule of a proxy that kills a process at each of its transactions: before it leaves, and after the node took it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coprocessor.devnode.transactions import decode_transaction

__all__ = ["KillAtEachTransaction"]


class KillAtEachTransaction:
    """When a transaction first comes its sender dies unheard, the second time unanswered; then it passes.

    Args:
        pid_file: names the process that sends now.

    Attributes:
        unheard, unanswered: nonces at which a process was killed so.
    """

    def __init__(self, pid_file: Path) -> None:
        self._pid_file = pid_file
        self.unheard: set[int] = set()
        self.unanswered: set[int] = set()

    def __call__(self, request: Any, forward: Callable[[], bytes]) -> bytes | None:
        if not isinstance(request, dict) or request["method"] != "eth_sendRawTransaction":
            return forward()
        nonce = decode_transaction(bytes.fromhex(request["params"][0][2:])).nonce
        if nonce not in self.unheard:
            self.unheard.add(nonce)
        elif nonce not in self.unanswered:
            self.unanswered.add(nonce)
            forward()
        else:
            return forward()
        os.kill(int(self._pid_file.read_text()), signal.SIGKILL)
        return None
