"""An enclave that speaks the messages and does nothing else; run as a process by the tests.

``python fake_enclave.py BEHAVIOUR --fd N``: what it does beside answering is told by its first argument.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from coprocessor.enclave import messages as m
from coprocessor.sandbox.framing import read_frame, write_frame

BEHAVIOUR = sys.argv[1]
CHANNEL = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))


def say(*messages: Any) -> None:
    for message in messages:
        write_frame(CHANNEL, m.WORKER_REPLIES.encode(message))


def answer(message: Any, held: list[m.Query]) -> None:
    match message:
        case m.BootWorker():
            # What the process inherited, in the only field wide enough to tell it.
            told = f"{sorted(os.environ)} {sorted(os.listdir('/proc/self/fd'))}".encode()
            say(m.Booted(bytes(20), told, bytes(32), bytes(32), True))
        case m.GetStatus():
            executed = m.LinkExecuted(3, b"h" * 32, b"r" * 32, ())
            say(executed, m.Status(7, 1, 2, 3, 4, True, bytes(32)), m.NeedCode(b"c" * 32))
        case m.MakeReceipt(first=first):
            say(m.Failure("receipt.range", f"from {first}", "why", "next"))
        case m.RequestTicket():
            say(m.TicketRequested(b"n" * 32))
        case m.Query():
            held.append(message)
            if len(held) == 2:  # answers come in any order
                for query in reversed(held):
                    failure = m.Failure("query.no", "no", "", "") if query.sealed == b"fail" else None
                    say(m.Answer(query.tag, query.sealed + b"!", failure))
                held.clear()
        case m.Stop():
            if BEHAVIOUR == "stubborn":
                return
            say(m.Ready())
            sys.exit(0)
        case m.Attest():
            misbehave()


def misbehave() -> None:
    match BEHAVIOUR:
        case "dies":
            os._exit(9)
        case "garbage":
            write_frame(CHANNEL, b"garbage")
        case "long":
            CHANNEL.sendall(b"\xff\xff\xff\xff")
        case "wrong":
            say(m.Ready())
        case "talkative":
            say(m.Ready(), m.Ready())


def main() -> None:
    held: list[m.Query] = []
    while (frame := read_frame(CHANNEL, m.MAX_MESSAGE)) is not None:
        answer(m.WORKER_REQUESTS.decode(frame), held)


main()
