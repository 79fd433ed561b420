"""What benchmarks share in a run: settings, a folder, progress on the screen, and networks that are started once."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from bench.network import BenchNetwork, running_network

__all__ = ["Scene"]


class Scene:
    """One run of the suite. Use as a context manager: it stops the networks at the end.

    Args:
        folder: for everything that benchmarks write; new and empty.
        quick: few repetitions of little work: shows that everything runs, not how fast.
        echo: whether progress is printed.
    """

    def __init__(self, folder: Path, *, quick: bool, echo: bool = True) -> None:
        self.folder = folder
        self.quick = quick
        self._echo = echo
        self._began = time.monotonic()
        self._networks: dict[str, tuple[BenchNetwork, ExitStack]] = {}
        self._count = 0

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_networks()

    def say(self, text: str) -> None:
        """A line of progress with the time since the start."""
        if self._echo:
            seconds = int(time.monotonic() - self._began)
            print(f"[{seconds // 60:2d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)

    def new_folder(self, name: str) -> Path:
        """Path of a folder that does not exist yet."""
        self._count += 1
        return self.folder / f"{name}-{self._count}"

    def network(self, language: str) -> BenchNetwork:
        """The network with that language's token, started on first use; the others are frozen meanwhile."""
        for other, (running, _) in self._networks.items():
            if other != language:
                running.freeze()
        if language in self._networks:
            network = self._networks[language][0]
            network.thaw()
            return network
        self.say(f"  starting a network for the {language} token")
        with ExitStack() as stack:
            network = stack.enter_context(running_network(self.new_folder(f"net-{language}"), language))
            self._networks[language] = network, stack.pop_all()
        return network

    def rest(self) -> None:
        """Freezes all networks: what is measured next needs none of them."""
        for running, _ in self._networks.values():
            running.freeze()

    def stop_network(self, language: str) -> None:
        """Stops that network where it runs; a later use starts a new one."""
        if language in self._networks:
            network, stack = self._networks.pop(language)
            network.thaw()
            stack.close()

    def stop_networks(self) -> None:
        """Stops all networks."""
        for language in list(self._networks):
            self.stop_network(language)
