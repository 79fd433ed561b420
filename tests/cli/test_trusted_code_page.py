"""The page of trusted code says what enclave processes really load, and the measurement covers all of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from coprocessor.attesters.measure import MEASURED_PACKAGES
from tests.support.scripts import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load_script("docs/make_trusted_code.py")


def test_the_page_is_what_the_source_says(maker: ModuleType) -> None:
    page = (ROOT / "docs" / "trusted-code.md").read_text("utf-8")
    assert maker.is_close(page, maker.make_page()), "run docs/make_trusted_code.py"


def test_all_that_an_enclave_loads_of_ours_is_measured(maker: ModuleType) -> None:
    for module in maker.PROCESSES.values():
        own = {name for name in maker.loaded_modules(module) if name.startswith("coprocessor.")}
        assert {name.split(".")[1] for name in own} <= set(MEASURED_PACKAGES)


def test_heavy_and_talkative_libraries_stay_outside(maker: ModuleType) -> None:
    outside = {"web3", "eth", "eth_account", "aiohttp", "sqlite3", "requests", "ssl"}
    for module in maker.PROCESSES.values():
        assert not maker.loaded_modules(module) & outside


@pytest.mark.parametrize(
    ("kept", "made", "is_close"),
    [
        ("| a | 100 |", "| a | 109 |", True),
        ("| a | 100 |", "| a | 120 |", False),
        ("| a | 4 |", "| a | 6 |", True),
        ("| a | 100 |", "| b | 100 |", False),
        ("| a | 100 |", "| a | 100 |\n| b | 1 |", False),
    ],
)
def test_sizes_may_move_a_little(maker: ModuleType, kept: str, made: str, is_close: bool) -> None:
    assert maker.is_close(kept, made) is is_close


def test_lines_of_code_are_counted_without_words(maker: ModuleType) -> None:
    source = '"""Words.\n\nMore."""\n\n# a remark\nx = 1\n\ndef f():\n    """Says."""\n    return x\n'
    assert maker.count_lines(source) == 3
