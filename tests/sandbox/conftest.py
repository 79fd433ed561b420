"""Guests run on threads with an ample native stack, and so do the tests of this folder."""

from __future__ import annotations

import pytest

from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.native_stack import run_on_guest_stack


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """Runs the test function on a guest stack."""
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run_on_guest_stack(lambda: pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def engine() -> Engine:
    """One engine for all tests that need no special options."""
    return Engine()
