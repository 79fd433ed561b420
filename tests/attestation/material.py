"""Real evidence, made by nobody here; tests that need it skip where it is absent."""

from __future__ import annotations

import base64
import datetime
import json
import os
from pathlib import Path

import pytest

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.dcap_quote import trim_quote
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral

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


def read_event_log(name: str) -> bytes:
    """The event log that dstack gave with a quote, JSON."""
    log = json.loads((FOLDER / "dstack" / name).read_text())["event_log"]
    return (log if isinstance(log, str) else json.dumps(log)).encode()


def read_snp() -> tuple[Evidence, int]:
    """A Milan report with the chip's certificate; the material has no revocation list."""
    folder = FOLDER / "sev-snp"
    leaf, authority = (_pem_to_der((folder / name).read_bytes()) for name in ("dstack_vcek.pem", "dstack_ask.pem"))
    report = (folder / "dstack_report.bin").read_bytes()
    evidence = Evidence(EvidenceKind.SNP, report, SnpCollateral(leaf, authority).encode())
    return evidence, seconds("2026-07-01T00:00:00+00:00")


def read_nitro(name: str) -> tuple[Evidence, int]:
    """A document out of its envelope: a tag, a length in SCALE's compact form, the document, and more."""
    data = (FOLDER / "nitro" / f"nitro_attestation_{name}.bin").read_bytes()
    length = int.from_bytes(data[2:4], "little") >> 2
    return Evidence(EvidenceKind.NITRO, data[4 : 4 + length]), seconds("2025-12-25T14:00:00+00:00")


def read_pem(name: str) -> list[bytes]:
    """DER of the certificates in a file of the material."""
    certificates = (FOLDER / name).read_bytes().split(b"-----END CERTIFICATE-----")
    return [_pem_to_der(one) for one in certificates if b"-----BEGIN" in one]


def _pem_to_der(pem: bytes) -> bytes:
    lines = pem[pem.index(b"-----BEGIN") :].splitlines()[1:]
    return base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-")))


def middle(collateral: bytes) -> int:
    info = json.loads(json.loads(collateral)["tcb_info"])
    return (seconds(info["issueDate"]) + seconds(info["nextUpdate"])) // 2
