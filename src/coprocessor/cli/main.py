"""Entry of the command ``phat``: finds the command, reads its line, runs it, tells errors.

Exit status: 0 done, 1 the operation failed, 2 wrong usage. With ``--json`` the last line of stdout is one object.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from coprocessor import __version__
from coprocessor.cli.screen import Screen
from coprocessor.values.errors import CallerMisuse, CoprocessorError

__all__ = ["COMMANDS", "main"]

DONE, FAILED, USAGE = 0, 1, 2

COMMANDS = (
    ("demo", "run the sealed-bid auction end to end, a killed worker included"),
    ("up", "start a development network: chain, gatekeeper, workers"),
    ("chain", "run the embedded development chain"),
    ("gatekeeper", "run a gatekeeper, or show and change the committee"),
    ("custodian", "open a gatekeeper's share after a loss of all power, with offline keys"),
    ("worker", "run a worker that joins a network"),
    ("new", "make a folder with a small program to start from"),
    ("deploy", "deploy a program"),
    ("code", "show a program's code, or compare it with a source"),
    ("upgrade", "show a program's versions, or announce, withdraw or execute another"),
    ("account", "show a program's account on the chain, make it, or relay a call that the program signed"),
    ("call", "call a command of a program and wait for its proven result"),
    ("query", "ask a program"),
    ("receipt", "write the one-file receipt of a settled output"),
    ("verify", "check a receipt file, offline"),
    ("status", "show the chain, the processes and the clusters of a network"),
    ("cluster", "list, show or create clusters"),
    ("network", "repeat everything that a network has ever shown, from the chain alone"),
    ("keys", "show where a program's keys come from and who could have had them"),
    ("drill", "compute what a break exposes, and contain it"),
    ("epoch", "show a cluster's epochs, or give it new keys"),
    ("beacon", "show the newest values of public randomness, each verified"),
    ("policy", "show what the network accepts, or change it as guardian or proposer"),
    ("doctor", "look for what keeps this machine or network from working"),
)
"""Every command with its line of help, in the order in which people meet them."""


class _Parser(argparse.ArgumentParser):
    """Wrong usage is an error like others, so that ``--json`` can tell it."""

    def error(self, message: str) -> NoReturn:
        raise CallerMisuse("usage", message, next=f"see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``phat`` with ``arguments`` (default: the process's own) and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    screen = Screen(as_json="--json" in words)
    try:
        return _dispatch(words, screen)
    except CoprocessorError as error:
        screen.fail(error)
        return USAGE if _is_usage(error) else FAILED
    except KeyboardInterrupt:
        screen.note("stopped")
        return FAILED
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _dispatch(words: list[str], screen: Screen) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        screen.say(_overview())
        return DONE if words else USAGE
    if words[0] == "--version":
        screen.say(f"phat {__version__}")
        return DONE
    if any("\0" in word for word in words):
        raise CallerMisuse("usage", "an argument holds a null byte")
    name = words[0]
    if name not in dict(COMMANDS):
        raise CallerMisuse("usage", f"phat has no command {name!r}", next="see phat --help")
    command = importlib.import_module(f"coprocessor.cli.commands.{name}")
    parsed = _parse(name, command, words[1:])
    status: int = command.run(parsed, screen)
    return status


def _parse(name: str, command: ModuleType, words: list[str]) -> argparse.Namespace:
    parser = _Parser(prog=f"phat {name}", description=dict(COMMANDS)[name], epilog=command.__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_arguments: Any = command.add_arguments
    add_arguments(parser)
    parsed, surplus = parser.parse_known_args(words)
    _take_surplus(parser, parsed, surplus)
    for action in parser._actions:  # argparse makes a list of a word that is "--" alone
        if action.nargs is None and isinstance(getattr(parsed, action.dest, None), list) and not action.option_strings:
            raise CallerMisuse("usage", f"{action.metavar or action.dest} is missing", next=f"see {parser.prog} --help")
    return parsed


def _take_surplus(parser: argparse.ArgumentParser, parsed: argparse.Namespace, surplus: list[str]) -> None:
    """Words of a list that stand after an option belong to it: argparse ends a list at the first option."""
    lists = [action for action in parser._actions if action.nargs == "*" and not action.option_strings]
    if surplus and (not lists or any(word.startswith("-") for word in surplus)):
        parser.error(f"unrecognized arguments: {' '.join(surplus)}")
    for action in lists[-1:]:
        more = [action.type(word) if callable(action.type) else word for word in surplus]
        setattr(parsed, action.dest, [*(getattr(parsed, action.dest) or []), *more])


def _overview() -> str:
    width = max(len(name) for name, _ in COMMANDS)
    lines = [f"  {name:{width}}  {help}" for name, help in COMMANDS]
    return "\n".join(
        [
            "usage: phat COMMAND [OPTION ...]",
            "",
            "Confidential programs off the chain, proven on it.",
            "",
            *lines,
            "",
            "phat COMMAND --help tells more. --network names the network: a folder, a file or a URL; default",
            "$PHAT_NETWORK, then ./.phat. --json prints one object as the last line. --version prints the version.",
        ]
    )


def _is_usage(error: CoprocessorError) -> bool:
    return isinstance(error, CallerMisuse) and error.code.split(".")[0] in ("usage", "interface")


if __name__ == "__main__":
    sys.exit(main())
