"""Targets of the sandbox: packages, modules, frames, snapshots, sealed caches, the executor."""

from __future__ import annotations

import json
import socket
import threading
import zlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.sandbox.abi import CallFrame, CallResult, Event, FrameKind, ResultStatus
from coprocessor.sandbox.engine import CompiledModule, Engine, EngineOptions
from coprocessor.sandbox.executor import Executor
from coprocessor.sandbox.executor_messages import (
    EXECUTOR_REPLIES,
    EXECUTOR_REQUESTS,
    Done,
    LoadGuest,
    LoadProgram,
    SetSecrets,
    SetState,
    StateEntry,
    Stop,
    UnloadProgram,
)
from coprocessor.sandbox.executor_messages import Query as ExecutorQuery
from coprocessor.sandbox.framing import read_frame
from coprocessor.sandbox.instrumentation import instrument
from coprocessor.sandbox.loading import LoadedImage
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.package import CodePackage, check_interface, decode_package, encode_package
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache
from coprocessor.sandbox.snapshots import Snapshot
from coprocessor.sandbox.validation import RAW_PROFILE, check_guest
from coprocessor.sandbox.wasm_format import read_layout
from coprocessor.values.errors import MalformedInput
from tests.fuzz.target import Target, Unsound
from tests.sandbox import scenes

_FOLDER = Path(__file__).parents[2] / "examples" / "c_counter"
_CACHE = SealedCache(bytes(32), bytes(32))
_SOURCE = sha256(b"source")


@cache
def _engine() -> Engine:
    return Engine(EngineOptions(path="public"))


@cache
def _small() -> bytes:
    return scenes.guest("(call $kv_set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))")


def _modules() -> list[bytes]:
    return [_small(), (_FOLDER / "counter.wasm").read_bytes()]


def package() -> CodePackage:
    """A small program as it is published."""
    return CodePackage("wasm", (_FOLDER / "counter.interface.json").read_bytes(), _small())


def _package_seeds() -> list[bytes]:
    return [encode_package(package())]


def _package_content(data: bytes) -> None:
    """What stands inside a package, packed again."""
    package = decode_package(zlib.compress(data))
    if encode_package(package) != zlib.compress(data, 9):
        raise Unsound("a package has two forms")


def _content_seeds() -> list[bytes]:
    return [zlib.decompress(_package_seeds()[0])]


def _module(data: bytes) -> None:
    """The parts that read a module before and after the engine has seen it; the engine judges what is rewritten."""
    layout = read_layout(data)
    check_guest(layout, RAW_PROFILE)
    instrument(layout, RAW_PROFILE)


def _validated(data: bytes) -> None:
    """What the engine finds valid must still be valid once it is rewritten; else ``compile`` raises InternalError."""
    _engine().validate(data)
    compiled = _engine().compile(data)
    run_on_guest_stack(lambda: compiled.instantiate().close())


def _frame(data: bytes) -> None:
    if CallFrame.decode(data).encode() != data:
        raise Unsound("a frame has two forms")


def _result(data: bytes) -> None:
    if CallResult.decode(data).encode() != data:
        raise Unsound("a result has two forms")


def _frame_seeds() -> list[bytes]:
    frame = CallFrame(FrameKind.COMMAND, b"abcd", arguments=b"[1]", block_number=5, chain_id=1)
    return [frame.encode(), CallFrame(FrameKind.LOAD, bytes(4), arguments=b"x" * 200).encode()]


def _result_seeds() -> list[bytes]:
    return [
        CallResult(ResultStatus.OK, b"[1]", (Event("sold", b"{}"), Event("x", b""))).encode(),
        CallResult(ResultStatus.REVERTED, "nein, é".encode()).encode(),
    ]


def _snapshot(data: bytes) -> None:
    """The digest is made right, so that the content is read."""
    Snapshot.deserialize(sha256(data) + data)


def _snapshot_content() -> bytes:
    return Snapshot(bytes(32), 2 * 65536, ((0, b"\x01" * 4096), (8192, b"\x02" * 8192))).serialize()[32:]


def _image(data: bytes) -> None:
    """A loaded program that was kept; the snapshot inside gets its right digest."""
    try:
        content = cbor.loads(data)
    except MalformedInput:
        content = None
    if isinstance(content, list) and len(content) == 3 and isinstance(content[2], bytes):
        content[2] = sha256(content[2][32:]) + content[2][32:]
        data = cbor.dumps(content)
    LoadedImage.deserialize(data, cast(CompiledModule, SimpleNamespace(digest=bytes(32))))


def _image_seeds() -> list[bytes]:
    snapshot = Snapshot(bytes(32), 65536, ((0, b"\x01" * 4096),)).serialize()
    return [cbor.dumps([b"{}", 5, snapshot])]


def _sealed(data: bytes) -> None:
    if _CACHE.open(CacheKind.COMPILED, _SOURCE, data) not in (None, b"content"):
        raise Unsound("a forged entry opens")


def _framed(data: bytes) -> None:
    """A channel that says these bytes and closes."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with ours:
        sender = threading.Thread(target=_send, args=(theirs, data))
        sender.start()
        try:
            while read_frame(ours, 1 << 16) is not None:
                continue
        except EOFError:
            return
        finally:
            ours.close()
            sender.join()


def _send(channel: socket.socket, data: bytes) -> None:
    with channel:
        try:
            channel.sendall(data)
        except OSError:
            return


def _requests() -> list[Any]:
    program = scenes.load_program(1, _small(), (2,))
    call = scenes.call(1)
    return [
        LoadGuest("python", b"", b"native"),
        program,
        SetState(program.program, (StateEntry(b"key", b"value"),)),
        scenes.link(call),
        ExecutorQuery(1, 5, 6, 7, scenes.call(1, kind=FrameKind.QUERY), 100),
        SetSecrets(program.program, bytes(32), bytes(32), bytes(32)),
        UnloadProgram(program.program),
        Stop(),
    ]


def _request(data: bytes) -> None:
    EXECUTOR_REPLIES.decode(EXECUTOR_REPLIES.encode(Done()))
    EXECUTOR_REQUESTS.decode(data)


@cache
def _executor() -> Executor:
    executor = Executor(_engine())
    run_on_guest_stack(executor.handle, scenes.load_program(1, _small()))
    return executor


def _handled(data: bytes) -> None:
    """Whatever a well-formed request says, the executor answers in its own words and goes on."""
    message = EXECUTOR_REQUESTS.decode(data)
    if isinstance(message, LoadProgram) and (message.compiled or message.snapshot):
        return  # native code is authenticated before an executor sees it (PROTOCOL 5.8)
    if isinstance(message, LoadGuest) and message.compiled:
        return
    executor = _executor()
    reply = run_on_guest_stack(executor.handle, message)
    EXECUTOR_REPLIES.encode(reply)
    if executor._is_broken:
        raise Unsound("a bad request broke the executor")
    if isinstance(message, (LoadProgram, UnloadProgram)):  # what was loaded may loop for ever
        run_on_guest_stack(executor.handle, scenes.load_program(1, _small()))


def _request_seeds() -> list[bytes]:
    return [EXECUTOR_REQUESTS.encode(request) for request in _requests()]


def _interface_seeds() -> list[bytes]:
    document = json.loads((_FOLDER / "counter.interface.json").read_text())
    return [json.dumps(document).encode()]


SANDBOX_TARGETS = (
    Target("package", decode_package, _package_seeds, covers=("sandbox.package.decode_package",)),
    Target("package-content", _package_content, _content_seeds),
    Target("package-interface", check_interface, _interface_seeds, covers=("sandbox.package.check_interface",)),
    Target(
        "module",
        _module,
        _modules,
        covers=(
            "sandbox.wasm_format.read_layout",
            "sandbox.validation.check_guest",
            "sandbox.instrumentation.instrument",
        ),
        examples=200,
    ),
    Target("compiled-module", _validated, lambda: [_small()], examples=40),
    Target("call-frame", _frame, _frame_seeds, covers=("sandbox.abi.CallFrame.decode",)),
    Target("call-result", _result, _result_seeds, covers=("sandbox.abi.CallResult.decode",), examples=200),
    Target("snapshot", _snapshot, lambda: [_snapshot_content()], covers=("sandbox.snapshots.Snapshot.deserialize",)),
    Target("image", _image, _image_seeds, covers=("sandbox.loading.LoadedImage.deserialize",)),
    Target(
        "sealed-cache",
        _sealed,
        lambda: [_CACHE.seal(CacheKind.COMPILED, _SOURCE, b"content", bytes(32))],
        errors=(),
        covers=("sandbox.sealed_cache.SealedCache.open",),
    ),
    Target(
        "frames",
        _framed,
        lambda: [b"\0\0\0\x03abc\0\0\0\0", b"\0\x01\0\0" + bytes(65536)],
        covers=("sandbox.framing.read_frame",),
    ),
    Target("executor-request", _request, _request_seeds),
    Target(
        "executor",
        _handled,
        _request_seeds,
        covers=("sandbox.executor.Executor.handle",),
        examples=60,
    ),
)
