"""The threat model of SECURITY.md against the tree: what it names exists, and nothing is left out of a row."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest

from tests.architecture.source import ROOT

PROMISES = ("Integrity", "Confidentiality", "Availability", "Fair pay")
HEADER = ("promise", "attack", "defence", "where", "test")
FEWEST = 25
"""Rows of attacks that are defended against."""

NOT_BUILT = "not built"
_MODULE = re.compile(r"(?:src/coprocessor|contracts)/[\w/]+\.(?:py|vy)")
_TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")


@dataclass(frozen=True, slots=True)
class Threat:
    """A row of the table."""

    promise: str
    attack: str
    defence: str
    where: str
    test: str


def parse(text: str) -> tuple[Threat, ...]:
    """The rows under the heading. Raises AssertionError where one has other cells than the header names."""
    section = text.split("\n## Threat model\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    assert rows[0] == HEADER
    assert set("".join(rows[1])) == {"-"}
    for row in rows[2:]:
        assert len(row) == len(HEADER), row
        assert all(row), row
    return tuple(Threat(*row) for row in rows[2:])


def quoted(cell: str) -> list[str]:
    """The names of a cell, which holds nothing beside them."""
    names = re.findall(r"`([^`]+)`", cell)
    assert re.sub(r"`[^`]+`", "", cell).strip() == "", cell
    return names


@cache
def functions(path: str) -> frozenset[str]:
    """Test functions of a file."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(threat: Threat) -> list[str]:
    """What a row names and the tree does not have."""
    if NOT_BUILT in (threat.where, threat.test):
        return [] if threat.where == threat.test else [f"half built: {threat.where} / {threat.test}"]
    modules, tests = quoted(threat.where), quoted(threat.test)
    absent = [name for name in modules if not _MODULE.fullmatch(name) or not (ROOT / name).is_file()]
    for name in tests:
        match = _TEST.fullmatch(name)
        if match is None or not (ROOT / match[1]).is_file() or match[2] not in functions(match[1]):
            absent.append(name)
    return absent if modules and tests else [*absent, "no module or no test"]


THREATS = parse((ROOT / "SECURITY.md").read_text("utf-8"))


@pytest.mark.parametrize("threat", THREATS, ids=[threat.attack for threat in THREATS])
def test_what_a_row_names_exists(threat: Threat) -> None:
    assert not missing(threat)
    assert threat.promise in PROMISES


def test_every_promise_has_its_attacks() -> None:
    defended = Counter(threat.promise for threat in THREATS if threat.test != NOT_BUILT)
    assert set(defended) == set(PROMISES)
    assert defended.total() >= FEWEST


def test_an_attack_stands_once() -> None:
    assert len({threat.attack for threat in THREATS}) == len(THREATS)


def test_rules_are_cited_by_number() -> None:
    for threat in THREATS:
        for rules in re.findall(r"\(PROTOCOL ([^)]*)\)", threat.defence):
            assert re.fullmatch(r"\d+(?:\.\d+)?(?:, \d+(?:\.\d+)?)*", rules), threat.defence


@pytest.mark.parametrize("page", ["docs/trusted-code.md", "docs/powers.md", "docs/specification/README.md"])
@pytest.mark.parametrize("source", ["SECURITY.md", "ARCHITECTURE.md", "README.md"])
def test_pages_are_linked_where_people_look(source: str, page: str) -> None:
    assert f"]({page})" in (ROOT / source).read_text("utf-8")
    assert (ROOT / page).is_file()


_GOOD = Threat(
    "Integrity",
    "a",
    "d",
    "`src/coprocessor/enclave/inbox.py`",
    "`tests/headers/test_sealed.py::test_segments_have_bounds`",
)


@pytest.mark.parametrize(
    ("where", "test", "is_good"),
    [
        (_GOOD.where, _GOOD.test, True),
        ("`src/coprocessor/enclave/gone.py`", _GOOD.test, False),
        ("`tests/headers/test_sealed.py`", _GOOD.test, False),
        (_GOOD.where, "`tests/headers/test_sealed.py::test_gone`", False),
        (_GOOD.where, "`tests/headers/test_gone.py::test_segments_have_bounds`", False),
        (_GOOD.where, NOT_BUILT, False),
        (NOT_BUILT, NOT_BUILT, True),
    ],
)
def test_a_false_row_would_be_seen(where: str, test: str, is_good: bool) -> None:
    assert (missing(Threat("Integrity", "a", "d", where, test)) == []) is is_good


def test_a_row_with_an_empty_cell_would_be_seen() -> None:
    head = "\n## Threat model\n\n| " + " | ".join(HEADER) + " |\n|---|---|---|---|---|\n"
    with pytest.raises(AssertionError):
        parse(head + "| Integrity | a |  | `x` | `y` |\n")
    with pytest.raises(AssertionError):
        parse(head + "| Integrity | a | d | `x` |\n")
