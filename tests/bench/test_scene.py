"""Networks of a run: started once, one awake at a time, all stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench import scene as scene_module
from bench.scene import Scene


class FakeNetwork:
    """Notes what is done to it."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def freeze(self) -> None:
        self.log.append(f"freeze {self.name}")

    def thaw(self) -> None:
        self.log.append(f"thaw {self.name}")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of networks."""
    happened: list[str] = []

    @contextmanager
    def fake(folder: Path, language: str) -> Iterator[FakeNetwork]:
        happened.append(f"start {language}")
        yield FakeNetwork(happened, language)
        happened.append(f"stop {language}")

    monkeypatch.setattr(scene_module, "running_network", fake)
    return happened


def take(log: list[str]) -> list[str]:
    taken, log[:] = log[:], []
    return taken


def test_one_network_is_awake_at_a_time(tmp_path: Path, log: list[str]) -> None:
    with Scene(tmp_path, quick=True, echo=False) as scene:
        first = scene.network("python")
        assert take(log) == ["start python"]
        scene.network("raw")
        assert take(log) == ["freeze python", "start raw"]
        assert scene.network("python") is first
        assert take(log) == ["freeze raw", "thaw python"]
        scene.rest()
        assert take(log) == ["freeze python", "freeze raw"]
    assert take(log) == ["thaw python", "stop python", "thaw raw", "stop raw"]


def test_a_stopped_network_is_started_anew(tmp_path: Path, log: list[str]) -> None:
    with Scene(tmp_path, quick=True, echo=False) as scene:
        first = scene.network("raw")
        scene.stop_network("python")
        scene.stop_network("raw")
        assert take(log) == ["start raw", "thaw raw", "stop raw"]
        assert scene.network("raw") is not first


def test_folders_are_new(tmp_path: Path) -> None:
    with Scene(tmp_path, quick=True, echo=False) as scene:
        assert scene.new_folder("a") != scene.new_folder("a")
        assert not scene.new_folder("a").exists()
