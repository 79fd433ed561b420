"""The family of errors: one root, stable codes, words for people."""

from __future__ import annotations

import pytest

from coprocessor.values import errors


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_derives_from_the_root(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.CoprocessorError)
    assert kind.family


def test_families_are_distinct() -> None:
    families = [getattr(errors, name).family for name in errors.__all__]
    assert len(set(families)) == len(families)


def test_an_error_says_what_why_and_next() -> None:
    error = errors.EvidenceRefused("proof.refused", "it does not hold", "a hash differs", "ask another node")
    assert str(error) == "proof.refused: it does not hold; why: a hash differs; next: ask another node"
    assert error.to_dict() == {
        "code": "proof.refused",
        "what": "it does not hold",
        "why": "a hash differs",
        "next": "ask another node",
    }
    assert str(errors.MalformedInput("a.b", "bad")) == "a.b: bad"
