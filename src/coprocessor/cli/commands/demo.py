"""Fifty authors bid two hundred times, sealed; the worker is killed in the middle; a contract learns the winner. The
last line of stdout is one JSON object with the figures. Everything stays in the folder until the next run."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from coprocessor.cli.demo import DemoOptions, run_demo
from coprocessor.cli.options import DEFAULT_NETWORK
from coprocessor.cli.screen import SIMULATED, Screen
from coprocessor.values.errors import CallerMisuse, CoprocessorError

__all__ = ["add_arguments", "run"]

_AUCTION = Path("examples") / "auction" / "auction.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    folder = Path(DEFAULT_NETWORK) / "demo"
    parser.add_argument("--data", type=Path, default=folder, help=f"folder (default {folder})")
    parser.add_argument("--program", type=Path, help="the auction's program (default: the example's)")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Runs the demonstration; 0 where everything holds."""
    options = DemoOptions(arguments.data, arguments.program or _find_auction())
    try:
        result = asyncio.run(run_demo(options, screen))
    except CoprocessorError as error:
        if not screen.as_json:
            screen.fail(error)
        result = {"ok": False, **error.to_dict()}
    screen.say(SIMULATED)
    print(json.dumps(result), flush=True)
    return 0 if result["ok"] else 1


def _find_auction() -> Path:
    """The example in the working folder, or in the clone that this package is installed from."""
    for base in (Path.cwd(), Path(__file__).resolve().parents[4]):
        if (base / _AUCTION).exists():
            return base / _AUCTION
    raise CallerMisuse("demo.no_program", f"there is no {_AUCTION}", next="run from a clone, or name it with --program")
