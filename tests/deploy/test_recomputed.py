"""Measurements and release records computed again as docs/measurements.md and the specification say, by other libraries
and nothing of ours: ``hashlib``, cbor2 and eth_keys."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from eth_keys import keys as eth_keys

import coprocessor
from coprocessor.attesters.simulated import simulated_measurement
from deploy.record import NamedMeasurement
from deploy.templates import compute_compose_hash, make_app_compose, render
from tests.deploy.test_release import KEY, MEASUREMENTS, RECORD, SIGNED
from tests.deploy.test_templates import COMPOSE, VALUES

KINDS = {"sgx": "sgx", "tdx": "tdx", "dstack": "tdx", "snp": "snp", "nitro": "nitro"}


def context(label: str, *parts: bytes, insecure: bool = False) -> bytes:
    """``labels.md``: LP(name) || LP(network) || LP(part) || …, with an empty network."""
    name = f"coprocessor/v1/{label}{'-insecure' if insecure else ''}".encode()
    return b"".join(len(part).to_bytes(4, "big") + part for part in (name, b"", *parts))


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def from_plain(plain: dict[str, Any]) -> dict[str, Any]:
    """A measurement's fields as its file says them."""
    values = {name: value for name, value in plain.items() if name != "form"}
    return {name: bytes.fromhex(one[2:]) if isinstance(one, str) else one for name, one in values.items()}


def measurement_digest(kind: str, values: dict[str, Any]) -> bytes:
    """``attestation.md``: SHA-256(context("evidence"; "measurement", CBOR([kind, map of field to value])))."""
    return sha256(context("evidence", b"measurement", cbor2.dumps([kind, values], canonical=True)))


@pytest.mark.parametrize("named", MEASUREMENTS, ids=lambda named: named.form)
def test_measurement_digests(named: NamedMeasurement) -> None:
    assert named.digest == measurement_digest(KINDS[named.form], from_plain(named.to_plain()))


def test_one_measurement_under_another_vendors_tag_is_another() -> None:
    """The same bytes, told as another kind's: the tag is hashed with them."""
    found = {
        measurement_digest(kind, from_plain(named.to_plain())) for named in MEASUREMENTS for kind in KINDS.values()
    }
    assert len(found) == len(MEASUREMENTS) * len(set(KINDS.values()))
    assert {named.digest for named in MEASUREMENTS} <= found


def test_the_records_digest_and_signer() -> None:
    document = json.loads(SIGNED.to_json())
    read = {name: bytes.fromhex(document[name][2:]) for name in ("commit", "lock", "image", "signature")}
    body = [
        document["version"],
        read["commit"],
        read["lock"],
        read["image"],
        {name: bytes.fromhex(digest[2:]) for name, digest in document["files"].items()},
        [
            [plain["form"], measurement_digest(KINDS[plain["form"]], from_plain(strip(plain)))]
            for plain in document["measurements"]
        ],
    ]
    digest = sha256(context("release-record", cbor2.dumps(body, canonical=True)))
    assert digest == RECORD.digest == bytes.fromhex(document["digest"][2:])
    signature = read["signature"]
    v = signature[64] - 27 if signature[64] >= 27 else signature[64]
    signer = eth_keys.Signature(signature[:64] + bytes((v,))).recover_public_key_from_msg_hash(digest)
    assert signer.to_canonical_address() == KEY.address == bytes.fromhex(document["signer"][2:])


def strip(plain: dict[str, Any]) -> dict[str, Any]:
    """A measurement of the record, without the digest that stands beside its fields."""
    return {name: value for name, value in plain.items() if name != "digest"}


def test_the_compose_hash() -> None:
    """SHA-256 of app-compose.json, sorted and without spaces, around the rendered docker-compose file."""
    data = make_app_compose(render(VALUES)[COMPOSE])
    text = json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert compute_compose_hash(data) == sha256(text.encode())
    assert json.loads(data)["docker_compose_file"] == render(VALUES)[COMPOSE]


def test_the_simulated_enclaves_measurement() -> None:
    """Path and SHA-256 of each file inside the boundary, ascending by path; then as an SGX enclave's."""
    root = Path(coprocessor.__file__).parent
    inside = ("attestation", "attesters", "codec", "crypto", "enclave", "headers", "keys", "protocol", "sandbox")
    inside += ("trie", "values", "__init__.py")
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    parts = []
    for name, path in sorted(files.items()):
        if name.split("/")[0] in inside and "__pycache__" not in name:
            parts += [name.encode(), sha256(path.read_bytes())]
    mrenclave = sha256(context("simulated-vendor", b"measurement", *parts, insecure=True))
    values = {"mrenclave": mrenclave, "mrsigner": bytes(32), "product_id": 0, "security_version": 0}
    assert simulated_measurement() == measurement_digest("sgx", values)
