"""All subjects that ``vectors/make.py`` writes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from tests.vectors import (
    accounts,
    attestation,
    beacon,
    ceremony,
    commands,
    encoding,
    headers,
    inbox,
    keys,
    labels,
    network,
    outputs,
    private_code,
    proofs,
    queries,
    receipts,
    state,
    upgrades,
    vendors,
)
from tests.vectors.form import Subject

FOLDER = Path(__file__).parents[2] / "vectors"
_MODULES = (
    *(encoding, labels, network, headers, proofs, inbox, commands, state),
    *(outputs, receipts, queries, keys, ceremony, beacon, attestation, vendors, private_code, upgrades, accounts),
)


@lru_cache(maxsize=1)
def subjects() -> dict[str, Subject]:
    """By name of their file."""
    found = [module.subject() for module in _MODULES]
    return {subject.name: subject for subject in found}
