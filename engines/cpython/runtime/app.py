"""The application that componentize-py bakes into the guest: preloads, guards, and serves call frames."""

from __future__ import annotations

import sys

from guest_runtime import guards, preload
from guest_runtime.importer import BundleImporter
from guest_runtime.server import Server
from guest_runtime.streams import LogStream, NoInput
from wit_world.imports import host

preload.run()

_log = LogStream(host.log)
_importer = BundleImporter()
_server = Server(host, _importer, _log)

guards.install()
sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = _log  # type: ignore[misc, assignment]
sys.stdin = sys.__stdin__ = NoInput()  # type: ignore[misc, assignment]
sys.meta_path[:] = [_importer]
sys.path.clear()
sys.path_hooks.clear()
sys.path_importer_cache.clear()

_server.prepare()


class WitWorld:
    """The world's exports."""

    def call(self, frame: bytes) -> bytes:
        """One call frame of guest ABI v1."""
        return _server.call(frame)
