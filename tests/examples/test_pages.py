"""The commands that the examples' pages show are commands that work: each is parsed, and its arguments encoded."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.cli.main import COMMANDS
from coprocessor.protocol.interface import Interface
from tests.examples.scene import EXAMPLES, Theatre
from tests.support.wasm import ROOT

PAGES = sorted(EXAMPLES.rglob("README.md"))
BLOCK = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"`((?:contracts|examples|docs|tests|guests)/[\w./]+)`")
KINDS = {"call": "command", "query": "query"}


def blocks(page: Path) -> Iterator[list[list[str]]]:
    """Lines of a page's blocks as words, without comments."""
    for block in BLOCK.findall(page.read_text().replace("\\\n", " ")):
        yield [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]


def parse(words: list[str]) -> argparse.Namespace:
    """A line of the command ``phat``, as ``phat`` itself parses it."""
    name, *rest = [word for word in words[1:] if word != "&"]
    assert name in dict(COMMANDS)
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"coprocessor.cli.commands.{name}").add_arguments(parser)
    found = parser.parse_args(rest)
    found.command = name
    return found


def check(line: argparse.Namespace, interface: Interface) -> None:
    """Raises where the program takes no such call."""
    if line.command == "deploy":
        init = interface.init
        named = dict(argument.split("=", 1) for argument in line.arg)
        assert init is not None or not named
        if init is not None:
            init.encode_words((), named)
    elif line.command in KINDS:
        interface.method(line.method, KINDS[line.command]).encode_words(line.arguments)


@pytest.mark.parametrize("page", PAGES, ids=[page.parent.name for page in PAGES])
def test_commands_on_a_page_fit_the_programs(theatre: Theatre, page: Path) -> None:
    checked = 0
    program = None
    for lines in blocks(page):
        for words in lines:
            if words[0] == "python" and words[1] != "-m":
                assert (ROOT / words[1]).is_file()
            if words[0] != "phat":
                continue
            line = parse(words)
            if line.command == "deploy":
                program = theatre.interface((ROOT / line.path).relative_to(EXAMPLES))
            if line.command in ("deploy", *KINDS):
                assert program is not None
                check(line, program)
                checked += 1
    assert checked >= 3


@pytest.mark.parametrize("page", PAGES, ids=[page.parent.name for page in PAGES])
def test_files_that_a_page_names_exist(page: Path) -> None:
    for named in PATH.findall(page.read_text()):
        assert (ROOT / named).exists(), named


def test_every_example_is_on_the_first_page() -> None:
    folders = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}
    assert set(re.findall(r"^\| `(\w+)/`", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == folders
