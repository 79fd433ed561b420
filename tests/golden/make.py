"""Writes ``corpus.json`` at the default setting: ``python -m tests.golden.make [NAME ...]``.

With names, only those programs are played and shown, and nothing is written.
"""

from __future__ import annotations

import sys

from coprocessor.sandbox.native_stack import run_on_guest_stack
from tests.golden.catalogue import catalogue
from tests.golden.corpus import PATH, render
from tests.golden.hosts import LocalHost
from tests.golden.play import Record, play


def _play(names: list[str]) -> dict[str, Record]:
    host = LocalHost()
    return {name: play(host, golden) for name, golden in catalogue().items() if not names or name in names}


def main(names: list[str]) -> None:
    """Plays all programs, or shows those that are named."""
    text = render(run_on_guest_stack(_play, names))
    if names:
        sys.stdout.write(text)
    else:
        PATH.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
