"""Settings that every test shares: Hypothesis draws the same examples each time and never judges by the clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.live import LiveNetwork, running_network

settings.register_profile(
    "coprocessor", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("coprocessor")


@pytest.fixture(scope="session")
def live_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveNetwork]:
    """The one ``phat up`` of a test session, for tests that need real processes and leave it running."""
    with running_network(tmp_path_factory.mktemp("live") / "net") as live:
        yield live
