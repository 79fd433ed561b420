"""Guests run on ample threads only."""

from __future__ import annotations

import threading

import pytest

from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.native_stack import require_guest_stack, run_on_guest_stack
from coprocessor.values.errors import CallerMisuse
from tests.sandbox.scenes import guest


def _in_small_thread(function: object) -> BaseException | None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            function()  # type: ignore[operator]
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


def test_guest_on_a_small_thread_is_refused(engine: Engine) -> None:
    compiled = engine.compile(guest(""))
    assert isinstance(_in_small_thread(compiled.instantiate), CallerMisuse)
    assert isinstance(_in_small_thread(require_guest_stack), CallerMisuse)
    assert _in_small_thread(lambda: run_on_guest_stack(lambda: compiled.instantiate().close())) is None


def test_results_and_errors_come_back() -> None:
    assert run_on_guest_stack(lambda left, right: left + right, 1, right=2) == 3
    with pytest.raises(KeyError):
        run_on_guest_stack(dict[str, int]().__getitem__, "missing")


def test_thread_size_of_others_is_left_alone() -> None:
    before = threading.stack_size()
    assert _in_small_thread(lambda: run_on_guest_stack(lambda: None)) is None
    assert threading.stack_size() == before


def test_nested_use_stays_on_its_thread() -> None:
    assert run_on_guest_stack(threading.get_ident) == threading.get_ident()
