"""The tests of this folder run on a guest stack, as those of the sandbox do."""

from __future__ import annotations

from tests.sandbox.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
