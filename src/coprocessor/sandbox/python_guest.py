"""The packed CPython guest, and Python projects as the bundles that it loads.

The guest is package data: ``guests/cpython.wasm.xz`` with its ``provenance.json``. Its digest is part of the runtime
id, so a guest that was changed on disk is refused before anything is compiled.
"""

from __future__ import annotations

import json
import lzma
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import CallerMisuse, InternalError, MalformedInput
from phat.bundle import Bundle, decode_bundle, encode_bundle
from phat.errors import Refused

__all__ = ["MAX_PROJECT_BYTES", "bundle", "bundle_files", "guest_digest", "load_guest_wasm", "provenance", "unbundle"]

MAX_GUEST_BYTES: Final = 64 << 20
"""The unpacked guest; xz could otherwise fill the memory."""

MAX_PROJECT_BYTES: Final = 8 << 20
"""All files of a project together, as they are read from disk."""

ENTRIES: Final = ("contract.py", "main.py")
"""Names of the module that holds a folder's contract, in this order; ``phat.toml`` may name another."""

SETTINGS: Final = "phat.toml"

_GUESTS: Final = "coprocessor.sandbox.guests"
_IGNORED_PARTS: Final = ("__pycache__", "tests")


def provenance() -> dict[str, Any]:
    """What made the guest: tools, sources, digests."""
    content: dict[str, Any] = json.loads(_read_resource("provenance.json"))
    return content


def guest_digest() -> bytes:
    """SHA-256 of the guest's module, 32 bytes, as its provenance states it; ``load_guest_wasm`` checks it."""
    return bytes.fromhex(provenance()["wasm_sha256"])


def load_guest_wasm() -> bytes:
    """The guest's module, unpacked and checked.

    Raises:
        InternalError: the artefact is damaged or not the one of this release.
    """
    unpacker = lzma.LZMADecompressor()
    try:
        wasm = unpacker.decompress(_read_resource("cpython.wasm.xz"), MAX_GUEST_BYTES)
    except lzma.LZMAError as error:
        raise InternalError("sandbox.guest", "the packed CPython guest cannot be unpacked", str(error)) from error
    expected, found = guest_digest(), sha256(wasm)
    if not unpacker.eof or found != expected:
        raise InternalError(
            "sandbox.guest",
            f"the CPython guest has digest {found.hex()}, its provenance says {expected.hex()}",
            "the installation is damaged or was changed",
            "install the package again",
        )
    return wasm


def bundle(path: Path) -> bytes:
    """A project's bundle: one ``.py`` file, or a folder with ``contract.py`` or ``main.py`` and what it imports.

    Raises:
        CallerMisuse: there is no project, or it holds files that are neither Python nor declared data.
        MalformedInput: a file cannot be part of a bundle, or there is too much of it.
    """
    if path.is_file() and path.suffix == ".py":
        return bundle_files({path.name: path.read_bytes()})
    if not path.is_dir():
        raise CallerMisuse("project.missing", f"{path} is neither a .py file nor a folder", next="check the path")
    files: dict[str, bytes] = {}
    size = 0
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        is_hidden = any(part.startswith(".") or part in _IGNORED_PARTS for part in relative.parts)
        if is_hidden or not file.is_file():
            continue
        size += file.stat().st_size
        if size > MAX_PROJECT_BYTES:
            raise MalformedInput("project.too_large", f"{path} has more than {MAX_PROJECT_BYTES} bytes of files")
        files[relative.as_posix()] = file.read_bytes()
    return bundle_files(files)


def bundle_files(files: Mapping[str, bytes]) -> bytes:
    """The bundle of files that were already read: path relative to the project -> content.

    ``phat.toml`` may say ``entry = "other.py"`` and ``data = ["weights.bin"]``; it is not part of the bundle.

    Raises:
        CallerMisuse: no entry, or a file that is neither Python nor declared.
        MalformedInput: a file cannot be part of a bundle, or there is too much of it.
    """
    entry, declared = _read_settings(files)
    sources: dict[str, str] = {}
    data: dict[str, bytes] = {}
    for path, content in files.items():
        if path in declared:
            data[path] = content
        elif path.endswith(".py"):
            try:
                sources[path] = content.decode()
            except UnicodeDecodeError as error:
                raise MalformedInput("project.encoding", f"{path} is not UTF-8", str(error)) from None
        elif path != SETTINGS and path.rpartition("/")[2] not in ("README.md", "py.typed"):
            raise CallerMisuse(
                "project.undeclared_file",
                f"{path} is neither Python nor declared as data",
                next=f'add it to {SETTINGS}, data = ["{path}"], or move it out of the folder',
            )
    try:
        return encode_bundle(Bundle(entry, sources, data))
    except Refused as error:
        raise MalformedInput("project.bundle", "the project cannot be bundled", str(error)) from None


def unbundle(packed: bytes) -> Bundle:
    """Reads a bundle; strict.

    Raises:
        MalformedInput: it is not a canonical bundle within its limits.
    """
    try:
        return decode_bundle(packed)
    except Refused as error:
        raise MalformedInput("project.bundle", "not a bundle", str(error)) from None


def _read_settings(files: Mapping[str, bytes]) -> tuple[str, frozenset[str]]:
    settings: dict[str, Any] = {}
    if SETTINGS in files:
        try:
            settings = tomllib.loads(files[SETTINGS].decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MalformedInput("project.settings", f"{SETTINGS} cannot be read", str(error)) from None
    entry, data = settings.pop("entry", None), settings.pop("data", [])
    if settings:
        raise CallerMisuse("project.settings", f"{SETTINGS} has unknown settings: {', '.join(sorted(settings))}")
    if not isinstance(data, list) or not all(isinstance(path, str) for path in data):
        raise CallerMisuse("project.settings", f"data in {SETTINGS} must be a list of paths")
    missing = sorted(set(data) - set(files))
    if missing:
        raise CallerMisuse("project.settings", f"{SETTINGS} declares data that is not there: {', '.join(missing)}")
    return _find_entry(files, entry), frozenset(data)


def _find_entry(files: Mapping[str, bytes], entry: Any) -> str:
    if entry is not None:
        if not isinstance(entry, str) or entry not in files:
            raise CallerMisuse("project.entry", f"{SETTINGS} names the entry {entry!r}, which is not there")
        return entry
    sources = [path for path in files if path.endswith(".py") and "/" not in path]
    if len(sources) == 1:
        return sources[0]
    for name in ENTRIES:
        if name in files:
            return name
    raise CallerMisuse(
        "project.entry",
        "the folder has neither contract.py nor main.py",
        next=f'rename the contract\'s module, or write entry = "name.py" into {SETTINGS}',
    )


def _read_resource(name: str) -> bytes:
    try:
        return resources.files(_GUESTS).joinpath(name).read_bytes()
    except (FileNotFoundError, ModuleNotFoundError) as error:
        raise InternalError(
            "sandbox.guest", f"the package lacks guests/{name}", str(error), "install the package again"
        ) from error
