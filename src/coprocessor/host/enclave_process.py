"""An enclave as a child process on one unix socketpair: requests in order, answers and notices as they come.

Rules:
1. The enclave answers each request with exactly one direct reply, in order; answers to queries are matched by tag;
   notices come at any time (``enclave.messages``).
2. The child inherits its socket, no other descriptor, and next to nothing of the environment.
3. When the child ends, or says what it may not say, everything that waits for it fails with ``enclave.died``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from coprocessor.codec.records import RecordTable
from coprocessor.enclave import messages as m
from coprocessor.values.errors import CoprocessorError, InternalError, PeerUnreachable

__all__ = ["EnclaveDied", "EnclaveOptions", "EnclaveProcess", "EnclaveRefused", "gatekeeper_enclave", "worker_enclave"]

R = TypeVar("R")

STOP_SECONDS = 5.0
"""How long an enclave may take to stop before it is ended."""

_PREFIX = 4
_NOTICES = (
    m.BoundaryReached,
    m.CheckpointPiece,
    m.Halted,
    m.InputKeySigned,
    m.OutputsKept,
    m.KeepCache,
    m.LinkExecuted,
    m.NeedCode,
    m.NeedKeys,
    m.NeedRuntime,
)
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "TMPDIR")


class EnclaveDied(PeerUnreachable):
    """The enclave's process ended or broke the conversation; all that it held is gone."""

    def __init__(self, why: str) -> None:
        super().__init__("enclave.died", "the enclave's process ended", why, "its host starts another from nothing")


class EnclaveRefused(CoprocessorError):
    """The enclave refused a request; the code is the enclave's own."""

    family = "enclave"

    def __init__(self, failure: m.Failure) -> None:
        super().__init__(failure.code, failure.what, failure.why, failure.next)


@dataclass(frozen=True, slots=True)
class EnclaveOptions:
    """How an enclave is started.

    Args:
        command: program and arguments; ``--fd N`` is appended.
        requests: messages it takes.
        replies: messages it gives.
    """

    command: tuple[str, ...]
    requests: RecordTable
    replies: RecordTable


def worker_enclave(platform: Path, allow_simulated: bool) -> EnclaveOptions:
    """A worker's enclave on the platform whose folder is given."""
    return _options("coprocessor.enclave.worker_main", platform, allow_simulated, m.WORKER_REQUESTS, m.WORKER_REPLIES)


def gatekeeper_enclave(platform: Path, allow_simulated: bool) -> EnclaveOptions:
    """A gatekeeper's enclave on the platform whose folder is given."""
    module = "coprocessor.enclave.gatekeeper_main"
    return _options(module, platform, allow_simulated, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES)


def _options(
    module: str, platform: Path, allow_simulated: bool, requests: RecordTable, replies: RecordTable
) -> EnclaveOptions:
    flags = () if allow_simulated else ("--no-simulated",)
    command = (sys.executable, "-m", module, "--platform-dir", str(platform), *flags)
    return EnclaveOptions(command, requests, replies)


class EnclaveProcess:
    """A running enclave. Made by ``start``; MUST be closed."""

    def __init__(
        self,
        options: EnclaveOptions,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_notice: Callable[[Any], None],
    ) -> None:
        self._options = options
        self._process = process
        self._reader = reader
        self._writer = writer
        self._on_notice = on_notice
        self._waiting: deque[tuple[asyncio.Future[Any], type]] = deque()
        self._answers: dict[int, asyncio.Future[m.Answer]] = {}
        self._next_tag = 1
        self._death: EnclaveDied | None = None
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, options: EnclaveOptions, on_notice: Callable[[Any], None]) -> EnclaveProcess:
        """Starts the child (rule 2). ``on_notice`` is called for each notice and must not block."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
            process = await asyncio.create_subprocess_exec(
                *options.command,
                "--fd",
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(options, process, reader, writer, on_notice)

    @property
    def pid(self) -> int:
        """Of the operating system."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can still be asked."""
        return self._death is None

    async def request(self, message: Any, reply: type[R]) -> R:
        """Sends a request and waits for its direct reply, which must be a ``reply``.

        Raises:
            EnclaveRefused: the enclave refused, with its own code.
            EnclaveDied: it ended.
        """
        return await self.send(message, reply)

    def send(self, message: Any, reply: type[R]) -> asyncio.Future[R]:
        """Sends a request now; the future holds its direct reply. See ``request``."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        if self._death is not None:
            future.set_exception(self._death)
            return future
        data = self._options.requests.encode(message)
        self._waiting.append((future, reply))
        self._write(data)
        return future

    async def query(self, program: bytes, sealed: bytes, deadline_ms: int) -> bytes:
        """The encoded reply to a sealed query. Raises EnclaveRefused or EnclaveDied."""
        if self._death is not None:
            raise self._death
        tag, self._next_tag = self._next_tag, self._next_tag + 1
        future: asyncio.Future[m.Answer] = asyncio.get_running_loop().create_future()
        self._answers[tag] = future
        try:
            self._write(self._options.requests.encode(m.Query(tag, program, sealed, deadline_ms)))
            answer = await future
        finally:
            self._answers.pop(tag, None)
        if answer.failure is not None:
            raise EnclaveRefused(answer.failure)
        return answer.reply

    async def close(self) -> None:
        """Asks the enclave to stop, and ends it where it does not."""
        if self._death is None:
            with contextlib.suppress(CoprocessorError, TimeoutError):
                await asyncio.wait_for(self.request(m.Stop(), m.Ready), STOP_SECONDS)
        self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def wait_for_death(self) -> EnclaveDied:
        """Returns once the enclave has ended."""
        await asyncio.wait([self._listener])
        return self._death or EnclaveDied("it was closed")

    def _write(self, data: bytes) -> None:
        self._writer.write(len(data).to_bytes(_PREFIX, "big"))
        self._writer.write(data)

    async def _listen(self) -> None:
        why = "it closed its channel"
        try:
            while True:
                self._take(await self._read_message())
        except asyncio.IncompleteReadError:
            pass
        except (OSError, CoprocessorError) as error:
            why = str(error)
        except asyncio.CancelledError:
            why = "it was closed"
        finally:
            self._fail(EnclaveDied(why))
            self.kill()

    async def _read_message(self) -> Any:
        length = int.from_bytes(await self._reader.readexactly(_PREFIX), "big")
        if length > m.MAX_MESSAGE:
            raise InternalError("enclave.message", f"a message of {length} bytes, the limit is {m.MAX_MESSAGE}")
        return self._options.replies.decode(await self._reader.readexactly(length))

    def _take(self, message: Any) -> None:
        if isinstance(message, _NOTICES):
            self._on_notice(message)
        elif isinstance(message, m.Answer):
            future = self._answers.get(message.tag)
            if future is not None and not future.done():
                future.set_result(message)
        elif self._waiting:
            _settle(*self._waiting.popleft(), message)
        else:
            raise InternalError("enclave.unasked", f"a {type(message).__name__} came that nobody asked for")

    def _fail(self, death: EnclaveDied) -> None:
        self._death = death
        for future in (*(future for future, _ in self._waiting), *self._answers.values()):
            if not future.done():
                future.set_exception(death)
        self._waiting.clear()


def _settle(future: asyncio.Future[Any], kind: type, message: Any) -> None:
    """Hands a direct reply to who asked, as a result or as the error that it stands for."""
    if future.done():  # who asked has given up
        return
    if isinstance(message, m.Failure):
        future.set_exception(EnclaveRefused(message))
    elif not isinstance(message, kind):
        what = f"{type(message).__name__} came where {kind.__name__} was due"
        future.set_exception(InternalError("enclave.reply", what))
    else:
        future.set_result(message)
