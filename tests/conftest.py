"""Settings that every test shares: Hypothesis draws the same examples each time and never judges by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.live import LiveNetwork, running_network

settings.register_profile(
    "coprocessor", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("coprocessor")

SLOW = ("e2e", "independent", "faults", "golden", "examples", "contracts", "bench")
"""Folders whose files start whole networks or chains: they go first, so that none is left with a long one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first; with ``--no-loadscope-reorder`` processes take them in this order."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return SLOW.index(folder) if folder in SLOW else len(SLOW)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def live_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    """The one ``phat up`` of a test session, for tests that need real processes and leave it running."""
    with running_network(tmp_path_factory.mktemp("live") / "net") as live:
        yield live
