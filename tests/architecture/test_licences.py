"""Nothing that is installed beside the package may forbid its licence: Apache-2.0, so no AGPL, no GPL (STYLE)."""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata

import pytest

from tests.architecture.source import ROOT

# SPDX identifiers, and the names that older metadata uses for them.
COMPATIBLE = {
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unlicense",
    "Apache 2.0",
    "BSD",
    "Apache Software License",
    "BSD License",
    "MIT License",
    "ISC License (ISCL)",
    "Public Domain",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
    "Python Software Foundation License",
}

# What metadata does not say, or says of a licence that needs a word: distribution -> reason.
BY_HAND = {
    "certifi": "MPL-2.0: a file of root certificates, used as it is; its copyleft ends at the file",
    "pyblst": "MIT by the LICENSE.txt inside the wheel; blst, which it compiles in, is Apache-2.0",
}

# Required on other systems alone, so not installed here: distribution -> reason.
ELSEWHERE = {"pywin32": "PSF-2.0; Windows, where this project does not run"}

_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_FORBIDDEN = re.compile(r"\b[AL]?GPL|GNU (Affero|General|Lesser)", re.IGNORECASE)


@cache
def _locked() -> list[str]:
    return _NAME.findall((ROOT / "requirements.lock").read_text("utf-8"))


def _licences(name: str) -> set[str]:
    """What the metadata of a distribution says: the expression's parts, or the classifiers, or the old field."""
    data = metadata.metadata(name)
    if expression := data.get("License-Expression"):
        return {part.strip(" ()") for part in re.split(r" (?:AND|OR) ", expression)}
    classifiers = data.get_all("Classifier") or []
    named = {line.split(" :: ")[-1] for line in classifiers if line.startswith("License :: ")} - {"OSI Approved"}
    old = (data.get("License") or "").strip()
    return named or ({part.strip() for part in old.split(",")} if old else set())


@pytest.mark.parametrize("name", _locked())
def test_runtime_dependencies_are_compatible(name: str) -> None:
    if name in BY_HAND or name in ELSEWHERE:
        return
    found = _licences(name)
    assert found, f"{name} does not name its licence: read its LICENSE and give the reason by hand"
    assert found <= COMPATIBLE, f"{name} is under {found - COMPATIBLE}"


@pytest.mark.parametrize("name", sorted(set(_locked()) - set(ELSEWHERE)))
def test_no_runtime_dependency_is_under_the_gpl(name: str) -> None:
    data = metadata.metadata(name)
    texts = [data.get("License-Expression"), data.get("License"), *(data.get_all("Classifier") or [])]
    assert not [text for text in texts if text and _FORBIDDEN.search(text)]


def test_no_exception_outlives_its_reason() -> None:
    assert set(BY_HAND) | set(ELSEWHERE) <= set(_locked())
    told = [name for name in BY_HAND if _licences(name) and _licences(name) <= COMPATIBLE]
    assert not told, f"the metadata of {told} says enough by now"


def test_every_runtime_dependency_is_named_in_the_notices() -> None:
    notices = (ROOT / "THIRD_PARTY_NOTICES").read_text("utf-8")
    missing = [name for name in _locked() if not re.search(rf"^{re.escape(name)}\b", notices, re.MULTILINE)]
    assert not missing


def test_locks_pin_every_file_by_hash() -> None:
    for path in sorted(ROOT.glob("requirements*.lock")):
        text = path.read_text("utf-8")
        requirements = len(re.findall(r"^[A-Za-z0-9]", text, re.MULTILINE))
        assert requirements == len(_NAME.findall(text))
        assert len(re.findall(r"^\S+==.*\\\n {4}--hash=sha256:", text, re.MULTILINE)) == requirements, path.name


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("text", ["AGPL-3.0-or-later", "GNU General Public License v3 (GPLv3)", "LGPL-2.1", "GPL-3.0"])
def test_a_copyleft_licence_would_be_seen(text: str) -> None:
    assert _FORBIDDEN.search(text)
