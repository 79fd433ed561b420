"""The page of error codes says what the source says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load_script("docs/make_errors.py")


def test_the_page_is_what_the_source_says(maker: ModuleType) -> None:
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert page == maker.make_page(), "run docs/make_errors.py"


def test_codes_that_people_meet_are_listed(maker: ModuleType) -> None:
    page = maker.make_page()
    for code in ("receipt.no_anchor", "receipt.foreign_network", "attestation.simulated_refused", "chain.unreachable"):
        assert f"| `{code}` |" in page


def test_every_code_says_what_happened(maker: ModuleType) -> None:
    empty = [line for line in maker.make_page().splitlines() if line.startswith("| `") and line.count("|  |  |") > 0]
    assert [line for line in empty if line.endswith("|  |  |")] == []
