"""What no tracked file may hold: paths of somebody's machine, addresses of package registries, secrets."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

LARGEST = 4 * 1024 * 1024
"""Bytes of a file that are looked at as text."""

# Written in pieces, so that this file holds none of them.
FORBIDDEN = {
    "absolute path of a machine": "|".join(
        (
            r"(?<![\w.])/wo" + r"rk/\w",
            r"(?<![\w.])/ro" + r"ot/\w",
            "/ho" + "me/[a-z]",
            "/Us" + r"ers/\w",
            r"C:\\Us" + "ers",
        )
    ),
    "address of a package registry": "|".join(
        re.escape(host)
        for host in ("pypi" + ".org", "python" + "hosted.org", "registry.npm" + "js.org", "deb.deb" + "ian.org")
    ),
    "private key": r"-----BEGIN (?:\w+ )?PRIVATE" + " KEY-----",
    "access token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|npm_[A-Za-z0-9]{30,}|xox[bp]-[0-9A-Za-z-]{20,})",
    "conflict marker": r"^(?:<{7} |>{7} |={7}$)",
}


@cache
def _tracked() -> tuple[Path, ...]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("this is no clone: git does not list its files")
    paths = (ROOT / name for name in listing.stdout.decode("utf-8").split("\0") if name)
    return tuple(path for path in paths if path.is_file() and path.stat().st_size <= LARGEST)


@pytest.mark.parametrize("kind", FORBIDDEN)
def test_tracked_files_hold_nothing_forbidden(kind: str) -> None:
    pattern = re.compile(FORBIDDEN[kind].encode(), re.MULTILINE)
    found = []
    for path in _tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192] and (match := pattern.search(data)):
            line = data[: match.start()].count(b"\n") + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match.group().decode('utf-8', 'replace')}")
    assert not found, f"{kind}: {found}"


def test_files_are_looked_at() -> None:
    names = {str(path.relative_to(ROOT)) for path in _tracked()}
    assert {"Makefile", "pyproject.toml", "tests/architecture/test_text.py"} <= names


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("absolute path of a machine", "see /wo" + "rk/shared"),
        ("absolute path of a machine", "/ho" + "me/somebody/x"),
        ("address of a package registry", "https://pypi" + ".org/simple"),
        ("private key", "-----BEGIN EC PRIVATE" + " KEY-----"),
        ("conflict marker", "<" * 7 + " HEAD"),
    ],
)
def test_a_forbidden_text_would_be_seen(kind: str, text: str) -> None:
    assert re.search(FORBIDDEN[kind], text, re.MULTILINE)


@pytest.mark.parametrize("text", ["docs/work/plan", "src/root/x", "../shared/material", "https://example.org/work/x"])
def test_relative_paths_are_let_through(text: str) -> None:
    assert not re.search(FORBIDDEN["absolute path of a machine"], text)
