"""The author's journal: remembers nonces, survives rubbish, never fails a call."""

from __future__ import annotations

from pathlib import Path

import pytest

from coprocessor.client.journal import Journal
from coprocessor.client.target import Target
from coprocessor.values.identities import Address
from tests.support.receipt_world import CLUSTER, World

AUTHOR = Address(bytes(range(20)))


def test_a_nonce_is_found_by_its_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "j.jsonl")
    assert journal.find(CLUSTER, 1, 0) is None
    journal.remember(CLUSTER, 1, 0, 5)
    journal.remember(CLUSTER, 1, 1, 2**64 - 1)
    assert journal.find(CLUSTER, 1, 0) == 5
    assert journal.find(CLUSTER, 1, 1) == 2**64 - 1
    assert journal.find(CLUSTER, 2, 0) is None
    assert journal.find(type(CLUSTER)(bytes(32)), 1, 0) is None


def test_the_last_note_counts_after_a_reorganisation(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.remember(CLUSTER, 1, 0, 5)
    journal.remember(CLUSTER, 1, 0, 6)
    assert journal.find(CLUSTER, 1, 0) == 6


@pytest.mark.parametrize("rubbish", ["\xff\xfe", "{}", "[1]", "null", '{"cluster": 1', "x" * 100_000])
def test_lines_that_are_none_of_ours_are_skipped(tmp_path: Path, rubbish: str) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.remember(CLUSTER, 1, 0, 5)
    with journal.path.open("a", encoding="latin-1") as file:
        file.write(rubbish + "\n")
    assert journal.find(CLUSTER, 1, 0) == 5


def test_a_journal_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Journal(tmp_path / "file" / "j.jsonl").remember(CLUSTER, 1, 0, 5)


def test_it_lies_beside_the_network_or_among_the_users_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    network = World().network
    beside = Journal.of(Target(network, {}, tmp_path), AUTHOR)
    assert beside.path.is_relative_to(tmp_path / "authors")
    elsewhere = Journal.of(Target(network, {}, None), AUTHOR)
    assert elsewhere.path.is_relative_to(tmp_path / "state" / "coprocessor")
