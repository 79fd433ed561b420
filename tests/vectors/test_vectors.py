"""Each case of each published vector file, through the real code; and that the files are what the script makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors.form import encode
from tests.vectors.subjects import FOLDER, subjects

NAMES = sorted(subjects())


def _document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_code_agrees_with_every_case(name: str) -> None:
    document = _document(name)
    for case in document["cases"]:
        outcome = subjects()[name].run(case["check"], case["input"])
        published = {part: case[part] for part in ("expect", "error") if part in case}
        assert outcome == published, f"{name}: {case['name']}"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_what_the_script_makes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text("utf-8") == encode(subjects()[name].document())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_accepts_and_refuses(name: str) -> None:
    """Each computation has cases that hold, each file cases that do not, and no two cases have one name."""
    cases = _document(name)["cases"]
    assert {case["check"] for case in cases if "expect" in case} == set(subjects()[name].checks)
    assert any("error" in case for case in cases)
    assert len({case["name"] for case in cases}) == len(cases)
