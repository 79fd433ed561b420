"""From a project on an author's disk to the package that is published.

The interface of a Python program is what loading it in the sandbox gives; the author's code never runs outside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.loading import load_image
from coprocessor.sandbox.native_stack import run_on_guest_stack
from coprocessor.sandbox.package import CodePackage
from coprocessor.sandbox.python_guest import bundle, load_guest_wasm
from coprocessor.sandbox.validation import PYTHON_PROFILE
from coprocessor.values.errors import CallerMisuse

__all__ = ["build_package", "compile_guest", "read_interface"]

_INTERFACE_SUFFIX: Final = ".interface.json"


def compile_guest(engine: Engine) -> CompiledModule:
    """The CPython guest as native code; takes seconds, so keep it (``serialize``)."""
    return engine.compile(load_guest_wasm(), PYTHON_PROFILE)


def read_interface(guest: CompiledModule, packed: bytes) -> bytes:
    """The interface of a bundle, by loading it.

    Raises:
        GuestFailed: it does not load; the message is the program's own.
    """
    return run_on_guest_stack(load_image, guest, packed).interface


def build_package(path: Path, guest: Callable[[], CompiledModule] | None = None) -> CodePackage:
    """The package of a project.

    Args:
        path: a ``.wasm`` module with ``<name>.interface.json`` beside it, a ``.py`` file, or a folder.
        guest: gives the compiled CPython guest; by default it is compiled anew.

    Raises:
        CallerMisuse: there is no such project.
        MalformedInput: it cannot be packed, or the module cannot be a guest.
        GuestFailed: it does not load.
    """
    if path.suffix == ".wasm":
        return _build_raw(path)
    packed = bundle(path)
    compiled = guest() if guest is not None else compile_guest(Engine())
    return CodePackage("python", read_interface(compiled, packed), packed)


def _build_raw(path: Path) -> CodePackage:
    described = path.with_name(path.stem + _INTERFACE_SUFFIX)
    for needed in (path, described):
        if not needed.is_file():
            raise CallerMisuse("project.missing", f"there is no file {needed}", next="see docs/specification")
    wasm = path.read_bytes()
    Engine().validate(wasm)
    return CodePackage("wasm", described.read_bytes(), wasm)
