"""A cluster's epochs as people see them: by when older ones should be closed, and the alarm."""

from __future__ import annotations

import pytest

from coprocessor.cli.commands import epoch
from coprocessor.client.epochs import ClusterEpochs, EpochRecord
from coprocessor.values.identities import ClusterId, Digest

MISSING = (("http://worker", "boundary.holders", "0 operators hold the checkpoint, 1 is needed"),)


class Screen:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def epochs(now: int, first_open: int = 1, closing: int = 600) -> ClusterEpochs:
    records = tuple(EpochRecord(at, at * 10, at * 1000, at >= first_open) for at in (1, 2, 3))
    return ClusterEpochs(
        ClusterId(bytes(32)), records, 3, first_open, now, closing, MISSING, 0, Digest(bytes(32))
    )


@pytest.mark.parametrize(("now", "overdue"), [(2000, False), (2600, False), (2601, True)])
def test_the_time_runs_from_the_epoch_that_follows_the_oldest_open_one(now: int, overdue: bool) -> None:
    assert epochs(now).due == 2600
    assert epochs(now).is_overdue is overdue
    assert epochs(now, first_open=2).due == 3600
    assert epochs(now, first_open=3).due is None


def test_the_alarm_says_what_is_missing() -> None:
    screen = Screen()
    epoch._show(epochs(2601), screen)  # type: ignore[arg-type]
    text = "\n".join(screen.said)
    assert "ALARM: the epochs before 3 should have been closed within 10 minutes (development)" in text
    assert "http://worker: boundary.holders: 0 operators hold the checkpoint" in text
    quiet = Screen()
    epoch._show(epochs(2601, first_open=3), quiet)  # type: ignore[arg-type]
    assert "ALARM" not in "\n".join(quiet.said)
    assert "30 days" in _shown(epochs(2001, closing=30 * 86400))


def _shown(one: ClusterEpochs) -> str:
    screen = Screen()
    epoch._show(one, screen)  # type: ignore[arg-type]
    return "\n".join(screen.said)
