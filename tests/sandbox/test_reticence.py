"""Processes of the measured boundary take what they hold with them."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from coprocessor.sandbox.abi import ResultStatus
from coprocessor.sandbox.discretion import FAILED, withhold_reason
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import Outcome, OutcomeKind

CRASH = """
import sys, threading
from coprocessor.sandbox.reticence import keep_silent
from coprocessor.values.errors import InternalError

class Broken:
    def __del__(self):
        raise ValueError("canary")

keep_silent()
Broken()
failing = threading.Thread(target=lambda: {}["canary"])
failing.start()
failing.join()
import resource
print(resource.getrlimit(resource.RLIMIT_CORE))
raise InternalError("some.code", "canary", "canary") from KeyError("canary")
"""


def test_a_crash_leaves_no_dump_and_no_words() -> None:
    done = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout.strip() in ("(1, 1)", "(0, 0)")
    assert "canary" not in done.stderr
    assert "InternalError some.code; its words are withheld" in done.stderr
    assert "ValueError; its words are withheld" in done.stderr
    assert "KeyError; its words are withheld" in done.stderr
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] != 1, "the limit is the child's own"


def reverted(message: str, status: ResultStatus = ResultStatus.REVERTED) -> Outcome:
    return Outcome(OutcomeKind.REVERTED, 7, status, message=message)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Error: the auction is over (contract.py:12)", "Error: the auction is over"),
        ("Error: see (notes) (lib/a_b.py:3)", "Error: see (notes)"),
        ("Error: two\nlines (contract.py:12)", "Error: two\nlines"),
        ("Errors: x (contract.py:12)", FAILED),
        ("KeyError: secret (contract.py:12)", FAILED),
        ("CallFailed: Error: x", FAILED),
        ("trap: unreachable", FAILED),
        ("Error (contract.py:1)", FAILED),
        ("", FAILED),
    ],
)
def test_of_a_python_program_only_its_own_refusal_is_told(message: str, told: str) -> None:
    assert withhold_reason(reverted(message), is_interpreted=True) == reverted(told)


def test_a_raw_program_speaks_for_itself() -> None:
    assert withhold_reason(reverted("no such bid"), is_interpreted=False) == reverted("no such bid")
    assert withhold_reason(reverted("trap: unreachable"), is_interpreted=False) == reverted(FAILED)


def test_what_the_public_interface_explains_and_limits_stay() -> None:
    for outcome in (
        reverted("A.look is a query, not a command", ResultStatus.UNKNOWN_METHOD),
        reverted("look(how): expected str", ResultStatus.BAD_ARGUMENTS),
        Outcome(OutcomeKind.EXHAUSTED, 9, ResultStatus.REVERTED, ExhaustedLimit.FUEL, message="the limit of fuel"),
        Outcome(OutcomeKind.OK, 3, result=b"KeyError: 1"),
    ):
        assert withhold_reason(outcome, is_interpreted=True) is outcome
