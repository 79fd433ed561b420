"""The code package that is published on the chain, for every language: what it is, its interface, its code.

Bytes: zlib over deterministic CBOR ``{"format", "language", "interface", "payload"}``. A package comes from
strangers, so reading it is strict and bounded, and only what ``encode_package`` could have packed is taken.

**Source:** docs/specification/program-package.md.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, Final

from coprocessor.codec import cbor, strict_json
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.labels import Label
from coprocessor.values.errors import CoprocessorError, MalformedInput

__all__ = [
    "LANGUAGES",
    "MAX_PACKAGE_BYTES",
    "CodePackage",
    "check_interface",
    "compute_content_digest",
    "decode_package",
    "encode_package",
]

FORMAT: Final = 1

LANGUAGES: Final = ("python", "wasm")

MAX_PACKAGE_BYTES: Final = 2 << 20
"""A package as it is published."""

MAX_INTERFACE_BYTES: Final = 256 << 10
MAX_PAYLOAD_BYTES: Final = 4 << 20
_MAX_UNPACKED_BYTES: Final = MAX_INTERFACE_BYTES + MAX_PAYLOAD_BYTES + 1024
_MAX_BUNDLE_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class CodePackage:
    """Published code.

    Attributes:
        language: ``python`` or ``wasm``.
        interface: JSON, at most MAX_INTERFACE_BYTES; for Python it MUST be compared with what loading gives.
        payload: a source bundle, or a WebAssembly module; at most MAX_PAYLOAD_BYTES.
    """

    language: str
    interface: bytes
    payload: bytes

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise MalformedInput("package.language", f"the language {self.language!r} is not one of {LANGUAGES}")
        if len(self.interface) > MAX_INTERFACE_BYTES:
            raise MalformedInput("package.too_large", f"an interface of {len(self.interface)} bytes")
        if not 0 < len(self.payload) <= MAX_PAYLOAD_BYTES:
            raise MalformedInput("package.too_large", f"a payload of {len(self.payload)} bytes")
        check_interface(self.interface)


def check_interface(interface: bytes) -> None:
    """Checks that an interface is a JSON object with methods that have names, kinds and selectors.

    Raises:
        MalformedInput: otherwise.
    """
    try:
        content = strict_json.loads(interface)
        methods = content["methods"]
        is_good = isinstance(methods, list) and all(_is_method(method) for method in methods)
    except (MalformedInput, KeyError, TypeError):
        is_good = False
    if not is_good:
        raise MalformedInput(
            "package.interface", "the interface is not JSON with methods that have name, kind and selector"
        )


def encode_package(package: CodePackage) -> bytes:
    """The bytes that are published.

    Raises:
        MalformedInput: more than MAX_PACKAGE_BYTES.
    """
    unpacked = cbor.dumps(
        {
            "format": FORMAT,
            "language": package.language,
            "interface": package.interface,
            "payload": package.payload,
        }
    )
    packed = zlib.compress(unpacked, 9)
    if len(packed) > MAX_PACKAGE_BYTES:
        raise MalformedInput(
            "package.too_large",
            f"the package has {len(packed)} bytes, at most {MAX_PACKAGE_BYTES} can be published",
            next="ship less data with the program",
        )
    return packed


def decode_package(packed: bytes) -> CodePackage:
    """Reads a published package.

    Raises:
        MalformedInput: it is too large, truncated, not canonical, or of another format.
    """
    if len(packed) > MAX_PACKAGE_BYTES:
        raise MalformedInput("package.too_large", f"a package of {len(packed)} bytes")
    unpacked = _unpack(packed, _MAX_UNPACKED_BYTES)
    try:
        content: Any = cbor.loads(unpacked, _MAX_UNPACKED_BYTES)
    except CoprocessorError as error:
        raise MalformedInput("package.malformed", "the package is not canonical CBOR", str(error)) from None
    if not isinstance(content, dict) or set(content) != {"format", "language", "interface", "payload"}:
        raise MalformedInput("package.malformed", "the package does not have exactly its four fields")
    if content["format"] is True or content["format"] != FORMAT:
        raise MalformedInput("package.format", f"the package has format {content['format']!r}, known is {FORMAT}")
    language, interface, payload = content["language"], content["interface"], content["payload"]
    if not (isinstance(language, str) and isinstance(interface, bytes) and isinstance(payload, bytes)):
        raise MalformedInput("package.malformed", "a field of the package has the wrong type")
    return CodePackage(language, interface, payload)


def compute_content_digest(package: CodePackage) -> bytes:
    """SHA-256 of what a package says: language, interface, and the payload without its compression, which differs
    between implementations of zlib. The same source has the same digest wherever it is packed.

    Raises:
        MalformedInput: a Python payload is no compressed bundle.
    """
    payload = _unpack(package.payload, _MAX_BUNDLE_BYTES) if package.language == "python" else package.payload
    language = package.language.encode("ascii")
    return sha256(Label.CODE_CONTENT.context(b"", language, package.interface, payload))


def _unpack(packed: bytes, maximum: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, maximum)
    except zlib.error as error:
        raise MalformedInput("package.compression", "the package cannot be unpacked", str(error)) from None
    if not unpacker.eof or unpacker.unused_data or unpacker.unconsumed_tail:
        raise MalformedInput("package.compression", "the package is truncated, too long unpacked, or has a tail")
    return unpacked


def _is_method(method: Any) -> bool:
    return (
        isinstance(method, dict)
        and isinstance(method.get("name"), str)
        and method.get("kind") in ("init", "command", "query", "request")
        and isinstance(method.get("selector"), str)
    )
