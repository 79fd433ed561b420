"""The packed guest, compiled once and kept as native code under ``.cache/wasm`` for later runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.project import compile_guest
from coprocessor.sandbox.runtime import release_runtimes
from coprocessor.values.errors import MalformedInput
from tests.guest.worlds import GuestWorld, HostWorld, World

CACHE = Path(__file__).parents[2] / ".cache" / "wasm"


@pytest.fixture(scope="session")
def guest() -> CompiledModule:
    """The CPython guest as native code."""
    engine = Engine()
    runtime = release_runtimes().first.id
    path = CACHE / f"cpython-{bytes(runtime).hex()[:32]}.native"
    if path.exists():
        try:
            return engine.deserialize(path.read_bytes())
        except MalformedInput:
            path.unlink()
    compiled = compile_guest(engine)
    CACHE.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(compiled.serialize())
    partial.replace(path)
    return compiled


@pytest.fixture(scope="session")
def guest_world(guest: CompiledModule) -> GuestWorld:
    """Only the sandbox."""
    return GuestWorld(guest)


@pytest.fixture(params=["host", "guest"])
def world(request: pytest.FixtureRequest) -> World:
    """Both worlds in turn."""
    if request.param == "host":
        return HostWorld()
    guest: GuestWorld = request.getfixturevalue("guest_world")
    return guest
