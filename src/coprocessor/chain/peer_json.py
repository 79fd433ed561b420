"""JSON that nodes, workers and other hosts answer with: read fast, and refused in one way.

The parser is msgspec's, which is quick with megabytes of answers, but leaves two things to its caller: it recurses as
deep as the interpreter's limit lets it, and it raises a bare ``UnicodeDecodeError`` for names that are not UTF-8.

**Source:** RFC 8259.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from coprocessor.codec import strict_json
from coprocessor.values.errors import MalformedInput

__all__ = ["decode_json"]

T = TypeVar("T")

_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def decode_json(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T] | None = None) -> T:
    """The value that ``body`` stands for, as ``decoder`` reads it (default: plain values).

    Raises:
        MalformedInput: not JSON, nested too deeply, or not of the decoder's type (``json.malformed``).
    """
    try:
        strict_json.check_nesting(bytes(body))
        found: T = (decoder or _ANY).decode(body)
        return found
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedInput("json.malformed", "the text is not the JSON that is accepted here", str(error)) from error
