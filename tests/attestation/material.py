"""Real evidence, made by nobody here; tests that need it skip where it is absent."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

import pytest

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("COPROCESSOR_MATERIAL", ROOT.parent / "shared" / "material")) / "attestation"

needs_material = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="real evidence is absent: set COPROCESSOR_MATERIAL to its folder"
)


def seconds(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())


def read_dcap(name: str) -> tuple[Evidence, int]:
    """Evidence of a sample (padding trimmed), and a time when its collateral is valid."""
    quote = trim_quote((FOLDER / "dcap" / name).read_bytes())
    collateral = (FOLDER / "dcap" / f"{name}_collateral.json").read_bytes()
    kind = EvidenceKind.SGX if name.startswith("sgx") else EvidenceKind.TDX
    return Evidence(kind, quote, collateral), middle(collateral)


def read_dstack(name: str) -> tuple[Evidence, int]:
    """A quote of dstack with the collateral that fits it."""
    document = json.loads((FOLDER / "dstack" / name).read_text())
    collateral = (FOLDER / "dcap" / "tdx_quote_outdated_collateral.json").read_bytes()
    return Evidence(EvidenceKind.TDX, trim_quote(bytes.fromhex(document["quote"])), collateral), middle(collateral)


def middle(collateral: bytes) -> int:
    info = json.loads(json.loads(collateral)["tcb_info"])
    return (seconds(info["issueDate"]) + seconds(info["nextUpdate"])) // 2
