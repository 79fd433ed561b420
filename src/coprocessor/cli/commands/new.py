"""Makes FOLDER with contract.py, a small ballot, and a README that says how to run it."""

from __future__ import annotations

import argparse
from pathlib import Path

from coprocessor.cli.screen import Screen
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.durable.points import PersistPoint
from coprocessor.values.errors import CallerMisuse

__all__ = ["add_arguments", "run"]

_CONTRACT = '''"""A ballot: everybody votes once, nobody sees who voted for what."""

from phat import Contract, Map, command, query, revert


class Ballot(Contract):
    votes: Map[str, int]
    voted: Map[str, bool]

    @command
    def vote(self, choice: str) -> int:
        """Counts one vote of the caller; returns how many the choice has now."""
        voter = str(self.env.caller)
        if voter in self.voted:
            revert("you have voted")
        self.voted[voter] = True
        self.votes[choice] = self.votes.get(choice, 0) + 1
        return self.votes[choice]

    @query
    def tally(self) -> dict[str, int]:
        """Votes by choice."""
        return dict(self.votes.items())
'''

_README = """# {name}

    phat up &                      # a development network, in ./.phat
    phat deploy .                  # prints the program's id
    phat call PROGRAM vote yes
    phat query PROGRAM tally
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="made if it is missing; must be empty")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Makes the folder."""
    folder: Path = arguments.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CallerMisuse("new.not_empty", f"{folder} is not empty", next="name another folder")
    except OSError as error:
        raise CallerMisuse("new.not_written", f"{folder} cannot be written", str(error)) from error
    for name, text in (
        ("contract.py", _CONTRACT),
        ("README.md", _README.format(name=folder.resolve().name.encode("utf-8", "replace").decode())),
    ):
        PLAIN_DISK.create(PersistPoint.CLIENT_PROJECT, folder / name, text.encode("utf-8"), mode=0o644)
    screen.say(f"{folder / 'contract.py'} is yours; see {folder / 'README.md'}")
    screen.finish({"ok": True, "folder": str(folder)})
    return 0
