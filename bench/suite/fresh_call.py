"""Calls in fresh instances, in the sandbox alone: a transfer of the token, from the call's frame to its writes.

Raw WebAssembly; Python from its own memory image (as hot programs run); Python from a page delta over the
interpreter's image (as cold ones do).
"""

from __future__ import annotations

from collections.abc import Callable

from bench.figures import Figure, time_each
from bench.sandboxed import SandboxedToken, load_python_token, load_raw_token
from bench.scene import Scene
from coprocessor.sandbox.engine import Engine, EngineOptions
from coprocessor.sandbox.native_stack import run_on_guest_stack

__all__ = ["run"]

REPETITIONS = 9
CALLS = {"raw": 1000, "python": 100}


def run(scene: Scene) -> list[Figure]:
    """All three forms; a quick run leaves Python out, whose interpreter may have to be compiled."""
    scene.rest()
    figures = run_on_guest_stack(_measure, "raw", "raw", lambda: load_raw_token(Engine()), scene.quick)
    if scene.quick:
        return figures
    copying = EngineOptions(maps_snapshots=False)
    forms: list[tuple[str, Callable[[], SandboxedToken]]] = [
        ("python, image", lambda: load_python_token(Engine())),
        ("python, page delta", lambda: load_python_token(Engine(copying))),
    ]
    for name, load in forms:
        figures += run_on_guest_stack(_measure, name, "python", load, scene.quick)
    for figure in figures[::2]:
        scene.say(f"  {figure.name.partition('.')[2]}: {figure.median:.0f} us")
    return figures


def _measure(name: str, language: str, load: Callable[[], SandboxedToken], is_quick: bool) -> list[Figure]:
    token = load()
    repetitions, calls = (2, 3) if is_quick else (REPETITIONS, CALLS[language])
    call = time_each(token.transfer, repetitions=repetitions, calls=calls)
    instance = time_each(token.instantiate, repetitions=repetitions, calls=calls)
    return [
        Figure(f"fresh_call.{name}", "us", call, note="a transfer, in a fresh instance"),
        Figure(f"fresh_call.{name}, instance alone", "us", instance, note="made, restored, dropped"),
    ]
