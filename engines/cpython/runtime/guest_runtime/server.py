"""Serves call frames: the first loads a program, later ones call it."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType

from guest_runtime.heap import pack
from guest_runtime.importer import BundleImporter
from guest_runtime.streams import LogStream
from guest_runtime.warm_up import warm_up
from phat import frames
from phat.bundle import Bundle, decode_bundle, module_name
from phat.contract import Contract
from phat.dispatch import Dispatcher, explain_error
from phat.errors import Refused
from phat.events import Event
from phat.host import Host
from phat.program import Program, compile_contract

# Part of the runtime id: raise it whenever what happens between load and snapshot changes.
SNAPSHOT_RECIPE = "python-1"


class Server:
    """The one program of this instance, once it is loaded."""

    def __init__(self, host: Host, importer: BundleImporter, log: LogStream) -> None:
        self._host = host
        self._importer = importer
        self._log = log
        self._dispatcher: Dispatcher | None = None
        self._ballast: list[bytes | None] = []

    def prepare(self) -> None:
        """Before the image is taken: everything that calls use has run once."""
        warm_up()
        self._ballast += _settle()

    def call(self, data: bytes) -> bytes:
        """One call frame in, one result buffer out."""
        try:
            frame = frames.parse_frame(data)
        except ValueError as error:
            return frames.encode_failure(frames.BAD_ARGUMENTS, str(error))
        if frame.kind == frames.LOAD:
            reply = self._load(frame.arguments)
        elif self._dispatcher is None:
            reply = frames.encode_failure(frames.UNKNOWN_METHOD, "no program is loaded")
        else:
            reply = self._dispatcher.handle(frame)
        self._log.finish()
        return reply

    def _load(self, packed: bytes) -> bytes:
        if self._dispatcher is not None:
            return frames.encode_failure(frames.REVERTED, "a program is loaded already")
        sources: list[str] = []
        try:
            bundle = decode_bundle(packed)
            sources += bundle.files
            program = self._import(bundle)
        except Refused as error:
            return frames.encode_failure(frames.REVERTED, str(error))
        except BaseException as error:  # the author's module code, SystemExit included
            return frames.encode_failure(frames.REVERTED, explain_error(error, sources))
        self._dispatcher = Dispatcher(program, self._host, frozenset(sources))
        self._ballast += _settle()
        return frames.encode_reply(program.interface, ())

    def _import(self, bundle: Bundle) -> Program:
        self._importer.open(bundle)
        module = importlib.import_module(module_name(bundle.entry)[0])
        return compile_contract(_find_contract(module), _find_events(module))


def _find_contract(module: ModuleType) -> type[Contract]:
    """The one contract class of a module that no other class of it derives from."""
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Contract) and value.__module__ == module.__name__
    ]
    leaves = [kind for kind in own if not any(other is not kind and issubclass(other, kind) for other in own)]
    if len(leaves) != 1:
        names = ", ".join(kind.__name__ for kind in leaves) or "none"
        raise Refused(f"{module.__name__}.py must define exactly one contract (a class of Contract), found: {names}")
    return leaves[0]


def _find_events(module: ModuleType) -> list[type[Event]]:
    """The typed events that a module defines or imports."""
    values = vars(module).values()
    return [value for value in values if isinstance(value, type) and issubclass(value, Event) and value is not Event]


def _settle() -> list[bytes | None]:
    """No collection happens inside a call, and none writes to what was there before it; returns what must be kept."""
    gc.collect()
    kept = pack()
    gc.freeze()
    gc.disable()
    return kept
