"""The sandbox that all examples share."""

from __future__ import annotations

import pytest

from coprocessor.sandbox.engine import Engine
from tests.examples.scene import Theatre
from tests.support.python_guest import compiled_python_guest


@pytest.fixture(scope="session")
def theatre() -> Theatre:
    """One engine and one compiled CPython guest."""
    engine = Engine()
    return Theatre(engine, compiled_python_guest(engine))
