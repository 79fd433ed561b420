"""Imports inside the guest: modules of the program's bundle, else a clear refusal."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

from phat.bundle import Bundle, module_name
from phat.errors import Refused

_INSTEAD = {
    "asyncio": "a call runs alone: write plain functions",
    "ctypes": "there is no native code in the guest",
    "http": "a program has no network",
    "multiprocessing": "a call runs alone",
    "numpy": "native packages cannot be loaded; array, math, statistics and decimal are there",
    "pandas": "native packages cannot be loaded; csv and statistics are there",
    "requests": "a program has no network",
    "select": "a program has no network",
    "socket": "a program has no network",
    "sqlite3": "state lives in fields and Map",
    "ssl": "a program has no network",
    "subprocess": "a program starts no processes",
    "tempfile": "a program has no files",
    "urllib.request": "a program has no network",
}


class BundleImporter(MetaPathFinder, InspectLoader):
    """Finds modules in a bundle. Everything else that exists was imported when the guest was built."""

    def __init__(self) -> None:
        self._modules: dict[str, tuple[str, str, bool]] = {}
        self._data: Mapping[str, bytes] = {}

    def open(self, bundle: Bundle) -> None:
        """Makes the modules of ``bundle`` importable.

        Raises:
            Refused: a module has the name of one that is there already, and so could never be imported.
        """
        sys.modules.pop("app", None)  # this guest's own, a likely name for an author's module
        for path, source in bundle.files.items():
            name, is_package = module_name(path)
            if name in sys.modules:
                raise Refused(f"{path}: Python's library has a module {name} too, which would hide it: rename the file")
            self._modules[name] = (path, source, is_package)
        self._data = bundle.data

    def read_data(self, path: str) -> bytes:
        """A data file of the bundle; see ``phat.read_data``."""
        if path not in self._data:
            names = ", ".join(self._data) or "none"
            raise FileNotFoundError(f"the program ships no data file {path!r}, it has: {names}")
        return self._data[path]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = self._modules.get(fullname)
        if found is not None:
            return importlib.util.spec_from_loader(fullname, self, origin=found[0], is_package=found[2])
        if any(name.startswith(fullname + ".") for name in self._modules):  # a folder without __init__.py
            return importlib.util.spec_from_loader(fullname, self, origin=fullname, is_package=True)
        reason = _INSTEAD.get(fullname) or _INSTEAD.get(fullname.partition(".")[0])
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: "
            + (reason or "it is neither in this project nor in the guest's standard library; add it to the folder"),
            name=fullname,
        )

    def is_package(self, fullname: str) -> bool:
        return fullname not in self._modules or self._modules[fullname][2]

    def get_source(self, fullname: str) -> str:
        return self._modules[fullname][1] if fullname in self._modules else ""

    def get_code(self, fullname: str) -> CodeType:
        path, source, _ = self._modules.get(fullname, (fullname, "", True))
        return compile(source, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)
