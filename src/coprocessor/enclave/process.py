"""What both enclave processes share at start: arguments, attester, platform id. Measured, part of the loop."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from coprocessor.attestation.verify import read_platform_id
from coprocessor.attesters.attester import Attester
from coprocessor.attesters.detect import open_attester
from coprocessor.sandbox.reticence import keep_silent

__all__ = ["Start", "read_start"]


@dataclass(frozen=True, slots=True)
class Start:
    """The host's channel, the attester, and the id of the machine (32 bytes)."""

    channel: socket.socket
    attester: Attester
    platform: bytes


def read_start(description: str) -> Start:
    """Reads the command line, opens the attester, and learns the platform's id from evidence of its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the host")
    parser.add_argument("--platform-dir", type=Path, required=True, help="folder of the simulated platform")
    parser.add_argument("--no-simulated", action="store_true", help="refuse to run without TEE hardware")
    options = parser.parse_args()
    keep_silent()
    # An interrupt at the terminal reaches the whole process group; the host decides when its enclave ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=options.fd)
    os.set_inheritable(options.fd, False)
    attester = open_attester(options.platform_dir, simulated=not options.no_simulated)
    now = int(time.time())
    platform = read_platform_id(attester.quote(bytes(64), now), simulated=attester.is_simulated)
    return Start(channel, attester, platform)
