"""The source bundle of a Python program: its files, as they are published and as the guest loads them.

zlib over canonical JSON ``{"bundle":1,"data":{path:base64},"entry":path,"files":{path:source}}``. A bundle comes
from strangers, so reading it is strict and bounded.

**Source:** docs/specification/program-package.md.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from phat import canonical
from phat.canonical import Json
from phat.errors import Refused

__all__ = ["Bundle", "decode_bundle", "encode_bundle"]

BUNDLE_VERSION = 1
MAX_BUNDLE_BYTES = 1 << 20
MAX_UNPACKED_BYTES = 8 << 20
MAX_FILES = 256
MAX_PATH_BYTES = 200
MAX_PATH_PARTS = 8

_SOURCE_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DATA_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A program's files.

    Attributes:
        entry: path of the module that holds the contract, for example ``contract.py``.
        files: path -> source of every Python module, ``entry`` included.
        data: path -> bytes of every declared data file.
    """

    entry: str
    files: Mapping[str, str]
    data: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.entry not in self.files:
            raise Refused(f"the bundle has no file {self.entry!r}, which it names as its entry")
        if len(self.files) + len(self.data) > MAX_FILES:
            raise Refused(f"the bundle has more than {MAX_FILES} files")
        for path in self.files:
            _check_path(path, is_source=True)
        for path in self.data:
            _check_path(path, is_source=False)


def encode_bundle(bundle: Bundle) -> bytes:
    """The bytes of a bundle.

    Raises:
        Refused: if it is larger than the maximum.
    """
    content: dict[str, Json] = {
        "bundle": BUNDLE_VERSION,
        "entry": bundle.entry,
        "files": dict(bundle.files),
        "data": {path: base64.b64encode(data).decode() for path, data in bundle.data.items()},
    }
    unpacked = canonical.encode(content)
    if len(unpacked) > MAX_UNPACKED_BYTES:
        raise Refused(f"the bundle has {len(unpacked)} bytes unpacked, at most {MAX_UNPACKED_BYTES} are allowed")
    packed = zlib.compress(unpacked, 9)
    if len(packed) > MAX_BUNDLE_BYTES:
        raise Refused(f"the bundle has {len(packed)} bytes, at most {MAX_BUNDLE_BYTES} are allowed")
    return packed


def decode_bundle(packed: bytes) -> Bundle:
    """Reads a bundle.

    Raises:
        Refused: if it is too large, not canonical, or names files that it may not name.
    """
    if len(packed) > MAX_BUNDLE_BYTES:
        raise Refused(f"the bundle has {len(packed)} bytes, at most {MAX_BUNDLE_BYTES} are allowed")
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, MAX_UNPACKED_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise Refused(f"the bundle is truncated, or has more than {MAX_UNPACKED_BYTES} bytes unpacked")
        content = canonical.decode(unpacked)
    except (zlib.error, ValueError, RecursionError) as error:
        raise Refused(f"the bundle cannot be read: {error}") from None
    if not isinstance(content, dict) or sorted(content) != ["bundle", "data", "entry", "files"]:
        raise Refused("the bundle does not have exactly the fields bundle, data, entry, files")
    if content["bundle"] != BUNDLE_VERSION:
        raise Refused(f"the bundle has version {content['bundle']!r}, this runtime reads {BUNDLE_VERSION}")
    entry = content["entry"]
    if not isinstance(entry, str):
        raise Refused("the bundle's entry is not text")
    return Bundle(entry, _texts(content["files"], "files"), _decode_data(_texts(content["data"], "data")))


def module_name(path: str) -> tuple[str, bool]:
    """Name of the module that a source file defines, and whether it is a package."""
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), True
    return ".".join(parts), False


def _texts(value: Json, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Refused(f"the bundle's {name} are not an object")
    texts: dict[str, str] = {}
    for path, text in value.items():
        if not isinstance(text, str):
            raise Refused(f"the bundle's file {path!r} is not text")
        texts[path] = text
    return texts


def _decode_data(texts: dict[str, str]) -> dict[str, bytes]:
    try:
        return {path: base64.b64decode(text, validate=True) for path, text in texts.items()}
    except (binascii.Error, ValueError):
        raise Refused("a data file of the bundle is not base64") from None


def _check_path(path: str, is_source: bool) -> None:
    parts = path.split("/")
    if is_source:
        is_good = path.endswith(".py") and path != "__init__.py"
        names = [*parts[:-1], parts[-1].removesuffix(".py")]
        is_good = is_good and all(_SOURCE_PART.fullmatch(name) for name in names)
    else:
        is_good = not path.endswith(".py") and all(_DATA_PART.fullmatch(name) for name in parts)
    if not is_good or len(path) > MAX_PATH_BYTES or len(parts) > MAX_PATH_PARTS:
        raise Refused(f"the bundle may not hold a file {path[:MAX_PATH_BYTES]!r}")
