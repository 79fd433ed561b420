"""What a network's numbers decide, at each boundary; and that nobody decides it by a comparison of his own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import coprocessor
from coprocessor.protocol import terms
from coprocessor.protocol.terms import (
    LEAST_DELAY,
    MAX_EVIDENCE_AGE,
    compute_effect,
    compute_least_evaluation,
    compute_version,
    has_ended,
    is_too_old,
    is_version_taken,
)


def test_what_ends_has_ended_in_that_second() -> None:
    assert [has_ended(100, now) for now in (99, 100, 101)] == [False, True, True]
    assert has_ended(0, 0), "what was never said never began"


def test_an_announcement_counts_from_its_second_on() -> None:
    assert compute_effect(1000, 60, development=True) == 1060
    assert compute_effect(1000, 60, development=False) == 1000 + LEAST_DELAY
    assert compute_effect(1000, LEAST_DELAY + 1, development=False) == 1001 + LEAST_DELAY
    assert [compute_version(4, 1060, now, listed=False) for now in (1059, 1060, 1061)] == [0, 4, 4]
    assert compute_version(0, 0, 2**40, listed=False) == 0
    assert [compute_version(9, 1060, now, listed=True) for now in (0, 1060)] == [1, 1], "whatever the chain says of it"


def test_versions_from_the_least_on_are_taken() -> None:
    assert [version for version in range(5) if is_version_taken(version, 3)] == [3, 4]
    for least in (0, 1):
        assert [version for version in range(3) if is_version_taken(version, least)] == [1, 2]


def test_the_greater_evaluation_number_counts() -> None:
    assert [compute_least_evaluation(17, chain) for chain in (0, 17, 18)] == [17, 17, 18]


def test_evidence_serves_for_so_many_blocks() -> None:
    assert [is_too_old(10, 10 + age) for age in (0, MAX_EVIDENCE_AGE, MAX_EVIDENCE_AGE + 1)] == [False, False, True]


JUDGED = re.compile(r"expires|paused_until|minimum_version|pinned_until|distrusted|counts_from|MAX_EVIDENCE_AGE")

OWN: dict[str, str] = {
    "protocol/terms.py": "here they stand",
    "audit/policies.py": "a raise must raise: no judgement of an enclave",
    "audit/upgrades.py": "of a program's upgrade, which expires too",
    "client/versions.py": "of a program's upgrade, which expires too",
    "host/worker_life.py": "when to renew, long before the end",
}
"""Files that compare such numbers themselves, and why."""


def find_comparisons() -> Iterator[str]:
    root = Path(coprocessor.__file__).parent
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_order = isinstance(node, ast.Compare) and any(
                isinstance(operator, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for operator in node.ops
            )
            if is_order and JUDGED.search(ast.unparse(node)):
                yield str(path.relative_to(root))


def test_everybody_judges_by_the_same_functions() -> None:
    """Admission, release, handover and pads, audit, client: a comparison written twice could differ by one."""
    assert set(find_comparisons()) == set(OWN)
    users = {
        "enclave/network_policy.py": {"compute_effect", "compute_version", "has_ended", "is_version_taken"},
        "enclave/key_release.py": {"has_ended", "is_version_taken"},
        "enclave/gatekeeper.py": {"is_too_old"},
        "audit/admissions.py": {"has_ended", "is_too_old", "is_version_taken"},
        "audit/policies.py": {"compute_effect"},
        "client/queries.py": {"has_ended"},
        "client/policy.py": {"compute_effect", "has_ended"},
    }
    for file, names in users.items():
        text = (Path(coprocessor.__file__).parent / file).read_text("utf-8")
        for name in names:
            assert name in terms.__all__
            assert f"{name}(" in text, f"{file} judges without {name}"
