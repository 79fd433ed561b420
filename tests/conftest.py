"""Settings that every test shares: Hypothesis draws the same examples each time and never judges by the clock."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "coprocessor", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("coprocessor")
