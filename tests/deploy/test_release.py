"""The release record: one canonical form, signed; every field counts; verification names what differs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.attestation.evidence import EvidenceKind
from coprocessor.attestation.verdict import (
    DstackMeasurement,
    NitroMeasurement,
    SgxMeasurement,
    SnpMeasurement,
    TdxMeasurement,
    compute_measurement_digest,
)
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from deploy.record import NamedMeasurement, RecordRefused, ReleaseRecord, SignedRecord
from deploy.release import main
from tests.deploy.test_templates import DIGEST, VALUES

KEY = PrivateKey(sha256(b"releases"))
B48, B32, B8 = bytes(range(48)), bytes(range(32)), bytes(range(8))
MEASUREMENTS = (
    NamedMeasurement("sgx", SgxMeasurement(B32, B32, 1, 2)),
    NamedMeasurement("tdx", TdxMeasurement(B48, B48, B48, B48, B48, B48, B48, B48, B8, B8)),
    NamedMeasurement("dstack", DstackMeasurement(B48, B48, B48, B48, B32, B32, B48, B48, B48, B8, B8)),
    NamedMeasurement("snp", SnpMeasurement(B48, B32, 0, 0x30000)),
    NamedMeasurement("nitro", NitroMeasurement(B48, B48, B48, B48)),
)
SORTED = tuple(sorted(MEASUREMENTS, key=lambda named: named.digest))
RECORD = ReleaseRecord("0.1.0", bytes(range(20)), B32, B32[::-1], (("a", B32), ("b", B32)), SORTED)
SIGNED = RECORD.sign(KEY)


def test_a_record_round_trips_and_names_its_signer() -> None:
    again = SignedRecord.from_json(SIGNED.to_json().encode())
    assert again == SIGNED
    assert again.signer == KEY.address
    assert again.record.digest == RECORD.digest


@pytest.mark.parametrize("named", MEASUREMENTS, ids=lambda named: named.form)
def test_measurements_are_those_of_verdicts(named: NamedMeasurement) -> None:
    kind = EvidenceKind.TDX if named.form == "dstack" else EvidenceKind(named.form)
    assert named.digest == compute_measurement_digest(kind, named.measurement)
    assert NamedMeasurement.from_plain(named.to_plain()) == named
    for field in dataclasses.fields(named.measurement):
        plain = named.to_plain()
        for broken in ({**plain, field.name: "0x00"}, {**plain, field.name: None}, {**plain, "more": 1}):
            with pytest.raises(RecordRefused):
                NamedMeasurement.from_plain(broken)
        del plain[field.name]
        with pytest.raises(RecordRefused):
            NamedMeasurement.from_plain(plain)


@pytest.mark.parametrize("form", ["sev", "SGX", "", None, 1, ["sgx"]])
def test_a_measurement_under_an_unknown_tag_is_refused(form: Any) -> None:
    with pytest.raises(RecordRefused):
        NamedMeasurement.from_plain({**MEASUREMENTS[0].to_plain(), "form": form})


@pytest.mark.parametrize("named", MEASUREMENTS, ids=lambda named: named.form)
def test_a_measurement_under_anothers_tag_is_refused(named: NamedMeasurement) -> None:
    for other in MEASUREMENTS:
        if other != named:
            with pytest.raises(RecordRefused):
                NamedMeasurement.from_plain({**named.to_plain(), "form": other.form})


@pytest.mark.parametrize(
    "change",
    [
        {"version": "0.1.1"},
        {"commit": bytes(20)},
        {"lock": B32[::-1]},
        {"image": B32},
        {"files": (("a", B32),)},
        {"files": (("a", B32), ("b", B32[::-1]))},
        {"measurements": SORTED[1:]},
    ],
)
def test_every_field_is_signed(change: dict[str, Any]) -> None:
    other = dataclasses.replace(RECORD, **change)
    assert other.digest != RECORD.digest
    assert SignedRecord(other, SIGNED.signature).signer != KEY.address


@pytest.mark.parametrize(
    "change",
    [
        {"measurements": ()},
        {"measurements": SORTED[::-1]},
        {"measurements": SORTED[:1] * 2},
        {"files": (("b", B32), ("a", B32))},
        {"files": (("a", bytes(32)),)},
        {"commit": bytes(19)},
        {"lock": b""},
        {"image": bytes(32)},
    ],
)
def test_a_record_checks_itself(change: dict[str, Any]) -> None:
    with pytest.raises(RecordRefused):
        dataclasses.replace(RECORD, **change)


def test_a_file_has_one_form() -> None:
    text = SIGNED.to_json()
    document = json.loads(text)
    for changed in (
        text.replace("\n", ""),
        text + " ",
        text.replace("0x00", "0X00", 1),
        json.dumps(document | {"more": 1}, indent=1) + "\n",
        json.dumps(document | {"digest": "0x" + "00" * 32}, indent=1) + "\n",
        json.dumps(document | {"format": "other"}, indent=1) + "\n",
        json.dumps({key: value for key, value in document.items() if key != "lock"}, indent=1) + "\n",
        json.dumps(document | {"signature": "0x00"}, indent=1) + "\n",
        json.dumps(document | {"measurements": [5]}, indent=1) + "\n",
        json.dumps(document | {"files": []}, indent=1) + "\n",
        "[]",
        "",
    ):
        with pytest.raises(RecordRefused):
            SignedRecord.from_json(changed.encode())


@given(st.integers(0, len(SIGNED.to_json()) - 1), st.integers(1, 255))
def test_no_changed_byte_keeps_the_signer(position: int, mask: int) -> None:
    data = bytearray(SIGNED.to_json().encode())
    data[position] ^= mask
    try:
        found = SignedRecord.from_json(bytes(data))
    except RecordRefused:
        return
    assert found.signer != KEY.address


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A clone with one commit."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "requirements.lock").write_text("package==1 --hash=sha256:00\n")
    name = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*name, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder


def release(tmp_path: Path, source: Path) -> list[str]:
    """Renders, and writes what ``make`` needs; its arguments."""
    values = [f"--value={name}={text}" for name, text in VALUES.items()]
    assert main(["render", *values, "--out", str(tmp_path / "out")]) == 0
    for named in MEASUREMENTS[:2]:
        (tmp_path / f"{named.form}.json").write_text(json.dumps(named.to_plain()))
    (tmp_path / "key").write_text(KEY.secret.hex())
    (tmp_path / "key").chmod(0o600)
    arguments = ["make", "--rendered", str(tmp_path / "out"), "--image", f"sha256:{DIGEST}"]
    arguments += ["--measurement", str(tmp_path / "sgx.json"), "--measurement", str(tmp_path / "tdx.json")]
    return [
        *arguments,
        "--key",
        str(tmp_path / "key"),
        "--source",
        str(source),
        "--out",
        str(tmp_path / "release.json"),
    ]


def test_a_release_is_made_and_verified(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(release(tmp_path, source)) == 0
    verify = ["verify", str(tmp_path / "release.json"), "--source", str(source), "--rendered", str(tmp_path / "out")]
    assert main([*verify, "--signer", f"0x{KEY.address.hex()}"]) == 0
    said = capsys.readouterr().out
    assert "good: version" in said
    assert f"sgx: 0x{MEASUREMENTS[0].digest.hex()}" in said
    record = SignedRecord.from_json((tmp_path / "release.json").read_bytes()).record
    assert record.lock == hashlib.sha256((source / "requirements.lock").read_bytes()).digest()
    assert "dstack/app-compose.json" in dict(record.files)


def test_verification_names_what_differs(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(release(tmp_path, source)) == 0
    verify = ["verify", str(tmp_path / "release.json"), "--signer", f"0x{KEY.address.hex()}"]
    assert main([*verify[:-1], "0x" + "00" * 20]) == 1
    assert "signed it, not" in capsys.readouterr().err
    (source / "more").write_text("")
    assert main([*verify, "--source", str(source)]) == 1
    assert "changes that no commit holds" in capsys.readouterr().err
    with (tmp_path / "out" / "Dockerfile").open("a") as file:
        file.write("RUN something\n")
    assert main([*verify, "--rendered", str(tmp_path / "out")]) == 1
    assert "other files" in capsys.readouterr().err
    text = (tmp_path / "release.json").read_text()
    (tmp_path / "release.json").write_text(text.replace('"version": "0', '"version": "1'))
    assert main(verify) == 1


def test_making_refuses_placeholders_and_changes(
    tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = release(tmp_path, source)
    dockerfile = tmp_path / "out" / "nitro" / "Dockerfile"
    good = dockerfile.read_text()
    for text, reason in (
        (good + "LABEL x=@VERSION@\n", "no value for VERSION"),
        (good.replace("@sha256", ":latest@sha512"), "not pinned"),
    ):
        dockerfile.write_text(text)
        assert main(arguments) == 1
        assert reason in capsys.readouterr().err
    dockerfile.write_text(good)
    (tmp_path / "out" / "dstack" / "app-compose.json").write_text("{}")
    assert main(arguments) == 1
    assert "does not fit" in capsys.readouterr().err
    other = [word.replace(DIGEST, "0" * 64) for word in arguments]
    assert main(other) == 1
    assert main([word.replace(DIGEST, "latest") for word in arguments]) == 1
    (source / "requirements.lock").write_text("changed")
    assert main(arguments) == 1
    assert not (tmp_path / "release.json").exists()
