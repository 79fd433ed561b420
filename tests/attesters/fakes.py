"""Fakes of the four documented interfaces. They serve quotes of the simulated vendor to the same code that drives
hardware.

Reading ``outblob`` or ``quote`` makes the kernel generate evidence; FIFOs give the same order: opening one for reading
wakes the thread that writes.
"""

from __future__ import annotations

import ctypes
import http.server
import json
import os
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from coprocessor.attestation.event_log import compute_registers, parse_event_log
from coprocessor.attesters.nitro import NSM_REQUEST
from coprocessor.codec import cbor

Quote = Callable[[bytes], bytes]

EVENTS: list[dict[str, Any]] = [
    {"imr": 3, "event_type": 0x08000001, "digest": "", "event": name, "event_payload": payload.hex()}
    for name, payload in (
        ("system-preparing", b""),
        ("app-id", bytes(20)),
        ("compose-hash", bytes(range(32))),
        ("instance-id", bytes(20)),
        ("key-provider", b'{"name":"none","id":""}'),
        ("system-ready", b""),
    )
]
RTMR3 = compute_registers(parse_event_log(json.dumps(EVENTS).encode()))[3]


class _Thread:
    """A thread that ends when ``stop`` opens every FIFO that it may wait at."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self.error = error

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fake still waits"
        if self.error is not None:
            raise self.error


@contextmanager
def fake_gramine(folder: Path, quote: Quote) -> Iterator[Path]:
    """/dev/attestation: one quote is served."""
    (folder / "keys").mkdir(parents=True)
    (folder / "attestation_type").write_text("dcap\n")
    (folder / "user_report_data").write_bytes(bytes(64))
    (folder / "keys" / "_sgx_mrenclave").write_bytes(bytes(range(16)))
    os.mkfifo(folder / "quote")

    def serve() -> None:
        with suppress(BrokenPipeError), (folder / "quote").open("wb") as file:
            file.write(quote((folder / "user_report_data").read_bytes()))

    thread = _Thread(serve)
    yield folder
    release(folder / "quote")
    thread.join()


class FakeTsm:
    """configfs: making a folder makes an entry with its attributes; each entry serves one quote.

    Args:
        quote: makes what ``outblob`` gives.
        provider: what ``provider`` says.
        table: what ``auxblob`` gives; None: the kernel does not show it.
        strangers: how often somebody else writes to the entry.
    """

    def __init__(self, quote: Quote, provider: str, table: bytes | None = None, strangers: int = 0) -> None:
        self.quote, self.provider, self.table, self.strangers = quote, provider, table, strangers
        self.written: list[bytes] = []

    def make_entry(self, entry: Path) -> None:
        """What the kernel does where a folder is made."""
        entry.mkdir()
        (entry / "provider").write_text(self.provider + "\n")
        (entry / "generation").write_text("0\n")
        if self.table is not None:
            (entry / "auxblob").write_bytes(self.table)
        os.mkfifo(entry / "inblob")
        os.mkfifo(entry / "outblob")
        self._entry = entry
        self._thread = _Thread(lambda: self._serve(entry))

    def finish(self) -> None:
        """Ends a thread whose quote nobody reads."""
        release(self._entry / "outblob")
        self._thread.join()

    def _serve(self, entry: Path) -> None:
        with (entry / "inblob").open("rb") as file:
            data = file.read()
        self.written.append(data)
        (entry / "generation").write_text(f"{1 + self.strangers}\n")
        with suppress(BrokenPipeError), (entry / "outblob").open("wb") as file:
            file.write(self.quote(data))


@contextmanager
def fake_dstack(path: Path, answer: Callable[[str, dict[str, Any]], tuple[int, Any]]) -> Iterator[Path]:
    """The guest agent's socket; ``answer`` takes method and fields and gives status and value."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: Any) -> None:
            return

        def do_POST(self) -> None:
            fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, value = answer(self.path.strip("/"), fields)
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    path.parent.mkdir(parents=True, exist_ok=True)
    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield path
        server.shutdown()
        thread.join(10)


@contextmanager
def fake_bytes(path: Path, answer: bytes) -> Iterator[Path]:
    """A socket that answers whatever is asked with these bytes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name == b"Content-Length" else length
            self.rfile.read(length)
            self.wfile.write(answer)

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        yield path
        thread.join(10)


def dstack_answers(quote: Quote) -> Callable[[str, dict[str, Any]], tuple[int, Any]]:
    """A guest agent that works."""

    def answer(method: str, fields: dict[str, Any]) -> tuple[int, Any]:
        if method != "GetQuote":
            return 404, {"error": "no such method"}
        data = bytes.fromhex(fields["report_data"])
        return 200, {
            "quote": quote(data).hex(),
            "event_log": json.dumps(EVENTS),
            "report_data": data.hex(),
            "vm_config": "{}",
        }

    return answer


def fake_nsm(answer: Callable[[dict[str, Any]], bytes]) -> Callable[[int, int, bytearray], object]:
    """The ioctl of /dev/nsm: reads the request from the caller's memory and writes the answer there."""

    def ioctl(descriptor: int, number: int, structure: bytearray) -> object:
        assert descriptor >= 0
        assert number == NSM_REQUEST
        request, length, response, room = struct.unpack("=QQQQ", structure)
        value = cbor.loads(ctypes.string_at(request, length), 0x1000)
        data = answer(value["Attestation"])
        ctypes.memmove(response, data, min(len(data), room))
        structure[:] = struct.pack("=QQQQ", request, length, response, len(data))
        return 0

    return ioctl


def release(fifo: Path) -> None:
    """Lets go a writer that waits at a FIFO nobody reads any more."""
    with suppress(OSError):
        os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))
