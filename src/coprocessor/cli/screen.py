"""What a person or a script sees: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from coprocessor.values.errors import CoprocessorError

__all__ = ["SIMULATED", "Screen", "bytes_to_text", "to_json_value", "to_text"]

SIMULATED = "SIMULATED TEE: this network accepts simulated hardware; nothing on it is secret"

_PROGRESS_AFTER = 1.0
"""Seconds after which a wait is shown."""

_PROGRESS_EVERY = 5.0


class Screen:
    """Where a command writes.

    Args:
        as_json: one JSON object as the last line of stdout instead of text.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def say(self, text: str) -> None:
        """A line of text for people; nothing with ``--json``."""
        if not self.as_json:
            print(_printable(text), flush=True)

    def note(self, text: str) -> None:
        """A line beside the result, on stderr."""
        print(_printable(text), file=sys.stderr, flush=True)

    def warn_simulated(self, simulated: bool) -> None:
        """Says that the hardware is simulated, where it is."""
        if simulated:
            self.say(SIMULATED)

    def finish(self, fields: Mapping[str, Any]) -> None:
        """The result object, with ``--json``; MUST be the last thing said."""
        if self.as_json:
            print(json.dumps(to_json_value(fields)), flush=True)

    def fail(self, error: CoprocessorError) -> None:
        """An error: its code, what happened, why, and what to do next."""
        if self.as_json:
            self.finish({"ok": False, **error.to_dict()})
            return
        self.note(f"error: {error.code}: {error.what}")
        if error.why:
            self.note(f"  why:  {error.why}")
        if error.next:
            self.note(f"  next: {error.next}")

    @contextmanager
    def progress(self, doing: str) -> Iterator[None]:
        """Shows on stderr what is being done, once it takes longer than a second."""
        finished = threading.Event()

        def show() -> None:
            if finished.wait(_PROGRESS_AFTER):
                return
            self.note(f"{doing} ...")
            seconds = _PROGRESS_AFTER
            while not finished.wait(_PROGRESS_EVERY):
                seconds += _PROGRESS_EVERY
                self.note(f"{doing} ... {seconds:.0f} s")

        watcher = threading.Thread(target=show, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            finished.set()
            watcher.join()


def _printable(text: str) -> str:
    """Without control characters: what programs and peers say must not command the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def to_json_value(value: Any) -> Any:
    """The JSON form of a result: bytes become 0x-prefixed hexadecimal, tuples lists."""
    if isinstance(value, (bytes, bytearray)):
        return "0x" + bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    return value


def to_text(value: Any) -> str:
    """A result as people read it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(to_json_value(value), ensure_ascii=False)


def bytes_to_text(data: bytes) -> str:
    """Bytes as people read them: as text where they are printable UTF-8, else 0x-prefixed hexadecimal."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "0x" + data.hex()
    return text if text.isprintable() else "0x" + data.hex()
