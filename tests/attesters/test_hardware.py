"""Attesters of hardware, each against a fake of its documented interface: quotes verify, failures have names."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.vendors.simulated import build_collateral
from coprocessor.attestation.vendors.simulated_nitro import NitroEnclave, SimulatedNitroPlatform
from coprocessor.attestation.vendors.simulated_platform import SgxReport, SimulatedPlatform, TdReport
from coprocessor.attestation.vendors.simulated_snp import SimulatedSnpPlatform, SnpGuest
from coprocessor.attestation.vendors.snp_collateral import SnpCollateral
from coprocessor.attestation.verdict import DstackMeasurement
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters import tsm
from coprocessor.attesters.attester import Attester
from coprocessor.attesters.detect import BACKENDS, examine_backends, find_backends, open_attester
from coprocessor.attesters.dstack import DSTACK_SOCKET, DstackAttester
from coprocessor.attesters.gramine import GRAMINE_FOLDER, GramineAttester
from coprocessor.attesters.nitro import NSM_DEVICE, NitroAttester
from coprocessor.attesters.tsm import TSM_FOLDER, TsmAttester
from coprocessor.codec import cbor
from coprocessor.values.errors import CallerMisuse, PeerUnreachable
from tests.attestation.test_snp import table
from tests.attesters.fakes import RTMR3, FakeTsm, dstack_answers, fake_bytes, fake_dstack, fake_gramine, fake_nsm

NOW = 1_790_000_000
SECRET = bytes(range(32))
DATA = bytes(range(64))
OTHER = bytes(64)
PLATFORM = SimulatedPlatform(SECRET)
SNP = SimulatedSnpPlatform(SECRET)
NITRO = SimulatedNitroPlatform(SECRET)
PADDING = bytes(70)


def sgx_quote(data: bytes) -> bytes:
    return PLATFORM.sgx_quote(SgxReport(bytes(32), data)) + PADDING


def tdx_quote(data: bytes) -> bytes:
    zero = bytes(48)
    return PLATFORM.tdx_quote(TdReport(bytes(48), data, (zero, zero, zero, RTMR3))) + PADDING


def snp_report(data: bytes) -> bytes:
    return SNP.report(SnpGuest(bytes(48), data))


def nitro_document(data: bytes) -> bytes:
    return NITRO.document(NitroEnclave({number: bytes((1,)) * 48 for number in range(3)}, data), NOW)


def nsm_answer(fields: dict[str, Any]) -> bytes:
    return cbor.dumps({"Attestation": {"document": nitro_document(fields["user_data"])}})


def with_collateral(evidence: Evidence) -> Evidence:
    if evidence.kind is EvidenceKind.NITRO or evidence.collateral:
        return evidence
    return dataclasses.replace(evidence, collateral=build_collateral(evidence.kind, NOW))


def refusal(attester: Attester) -> str:
    with pytest.raises(PeerUnreachable) as caught:
        attester.quote(DATA, NOW)
    assert caught.value.code == "attestation.device"
    assert caught.value.next
    return caught.value.why


@pytest.fixture(params=["Gramine SGX", "configfs-tsm", "dstack", "Nitro"])
def attester(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Attester]:
    """Each attester over its fake."""
    name: str = request.param
    if name == "Gramine SGX":
        with fake_gramine(tmp_path / "attestation", sgx_quote) as folder:
            yield GramineAttester(folder)
    elif name == "configfs-tsm":
        yield TsmAttester(tmp_path, FakeTsm(tdx_quote, "tdx_guest").make_entry)
    elif name == "dstack":
        with fake_dstack(tmp_path / "dstack.sock", dstack_answers(tdx_quote)) as path:
            yield DstackAttester(path)
    else:
        (tmp_path / "nsm").write_bytes(b"")
        yield NitroAttester(tmp_path / "nsm", fake_nsm(nsm_answer))


def test_every_attester_keeps_the_protocol(attester: Attester) -> None:
    for short in (b"", DATA[1:], DATA + b"x"):
        with pytest.raises(CallerMisuse):
            attester.quote(short, NOW)
    evidence = attester.quote(DATA, NOW)
    verdict = verify_evidence(with_collateral(evidence), NOW)
    assert verdict.report_data == DATA
    assert verdict.simulated, "the fakes' quotes are the simulated vendor's"
    assert not attester.is_simulated
    assert attester.name in [backend.name for backend in BACKENDS]
    assert attester.seal_key(b"a") == attester.seal_key(b"a") != attester.seal_key(b"b")
    assert len(attester.seal_key(b"a")) == 32


# ---- configfs-tsm


def test_tsm_serves_snp_with_the_hosts_certificates(tmp_path: Path) -> None:
    own = SnpCollateral.decode(SNP.evidence(SnpGuest(bytes(48), DATA), NOW).collateral)
    vcek, ask = bytes.fromhex("63da758de6644564adc5f4b93be8accd"), bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782")
    full = table((vcek, own.leaf), (ask, own.authority))
    fake = FakeTsm(snp_report, "sev_guest", full + bytes(100))
    evidence = TsmAttester(tmp_path, fake.make_entry).quote(DATA, NOW)
    assert SnpCollateral.decode(evidence.collateral) == dataclasses.replace(own, revocations=b"")
    assert verify_evidence(evidence, NOW).report_data == DATA
    assert fake.written == [DATA], "one write of all 64 bytes"


@pytest.mark.parametrize("data", [None, b"", bytes(4096)])
def test_tsm_serves_snp_without_certificates(tmp_path: Path, data: bytes | None) -> None:
    evidence = TsmAttester(tmp_path, FakeTsm(snp_report, "sev_guest", data).make_entry).quote(DATA, NOW)
    assert (evidence.kind, evidence.collateral) == (EvidenceKind.SNP, b"")


def test_tsm_notices_strangers_and_unknown_providers(tmp_path: Path) -> None:
    assert "another process" in refusal(TsmAttester(tmp_path, FakeTsm(tdx_quote, "tdx_guest", strangers=1).make_entry))
    assert "arm_cca_guest" in refusal(TsmAttester(tmp_path, FakeTsm(tdx_quote, "arm_cca_guest").make_entry))


def test_each_tsm_quote_has_an_entry_of_its_own(tmp_path: Path) -> None:
    fake = FakeTsm(tdx_quote, "tdx_guest")
    attester = TsmAttester(tmp_path, fake.make_entry)
    attester.quote(DATA, NOW)
    attester.quote(OTHER, NOW)
    assert fake.written == [DATA, OTHER]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_busy_tsm_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true_read, left = tsm.read_bounded, [3]

    def busy(path: Path) -> bytes:
        if path.name == "outblob" and left[0]:
            left[0] -= 1
            raise OSError(errno.EBUSY, "busy")
        return true_read(path)

    monkeypatch.setattr(tsm, "read_bounded", busy)
    attester = TsmAttester(tmp_path, FakeTsm(tdx_quote, "tdx_guest").make_entry, pause=0)
    assert attester.quote(DATA, NOW).kind is EvidenceKind.TDX
    left[0] = 1000
    fake = FakeTsm(tdx_quote, "tdx_guest")
    assert "busy" in refusal(TsmAttester(tmp_path, fake.make_entry, pause=0))
    fake.finish()


def test_a_tsm_that_does_not_work_is_named(tmp_path: Path) -> None:
    assert "FileNotFoundError" in refusal(TsmAttester(tmp_path / "absent"))
    assert "FileNotFoundError" in refusal(TsmAttester(tmp_path)), "a folder that is no configfs has no attributes"
    assert list(tmp_path.iterdir()) == [], "the entry is removed"


# ---- Gramine


def test_gramine_seals_to_the_enclave(tmp_path: Path) -> None:
    folder = tmp_path / "attestation"
    with fake_gramine(folder, sgx_quote):
        first = GramineAttester(folder).seal_key(b"share")
        assert first == GramineAttester(folder).seal_key(b"share")
        (folder / "keys" / "_sgx_mrenclave").write_bytes(bytes(15) + b"x")
        assert GramineAttester(folder).seal_key(b"share") != first
        for broken in (bytes(16), b"short"):
            (folder / "keys" / "_sgx_mrenclave").write_bytes(broken)
            with pytest.raises(PeerUnreachable):
                GramineAttester(folder).seal_key(b"share")
        (folder / "keys" / "_sgx_mrenclave").unlink()
        with pytest.raises(PeerUnreachable):
            GramineAttester(folder).seal_key(b"share")


def test_a_gramine_that_does_not_work_is_named(tmp_path: Path) -> None:
    assert "FileNotFoundError" in refusal(GramineAttester(tmp_path))
    (tmp_path / "attestation_type").write_text("none")
    assert "'none'" in refusal(GramineAttester(tmp_path))
    (tmp_path / "attestation_type").write_text("dcap")
    (tmp_path / "quote").write_bytes(b"no quote")
    assert "MalformedInput" in refusal(GramineAttester(tmp_path))


# ---- dstack


def test_dstack_quotes_are_measured_by_their_log(tmp_path: Path) -> None:
    with fake_dstack(tmp_path / "dstack.sock", dstack_answers(tdx_quote)) as path:
        evidence = DstackAttester(path).quote(DATA, NOW)
    measurement = verify_evidence(with_collateral(evidence), NOW).measurement
    assert isinstance(measurement, DstackMeasurement)
    assert measurement.compose_hash == bytes(range(32))


@pytest.mark.parametrize(
    "answer",
    [
        (500, {"error": "no"}),
        (200, b"no json"),
        (200, []),
        (200, {}),
        (200, {"quote": "zz", "event_log": ""}),
        (200, {"quote": "00", "event_log": []}),
        (200, {"quote": "00", "event_log": "[]"}),
        (200, {"attestation": "00"}),
        (200, b"[" * 100_000),
        (200, b" " * 300_000),
    ],
)
def test_a_dstack_that_does_not_work_is_named(tmp_path: Path, answer: tuple[int, Any]) -> None:
    with fake_dstack(tmp_path / "dstack.sock", lambda method, fields: answer) as path:
        assert refusal(DstackAttester(path))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.0 200 OK\r\n",
        b"no HTTP\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/2 200\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_an_answer_that_is_no_whole_http_is_named(tmp_path: Path, answer: bytes) -> None:
    with fake_bytes(tmp_path / "dstack.sock", answer) as path:
        assert "ValueError" in (why := refusal(DstackAttester(path))) or "MalformedInput" in why


def test_a_dstack_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "FileNotFoundError" in refusal(DstackAttester(tmp_path / "dstack.sock"))


# ---- Nitro


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (cbor.dumps({"Error": "InvalidOperation"}), "InvalidOperation"),
        (cbor.dumps({"Attestation": {}}), "another form"),
        (cbor.dumps([]), "another form"),
        (b"\xff", "MalformedInput"),
        (bytes(0x3001), "12289 bytes"),
    ],
)
def test_a_nitro_that_does_not_work_is_named(tmp_path: Path, answer: bytes, why: str) -> None:
    (tmp_path / "nsm").write_bytes(b"")
    assert why in refusal(NitroAttester(tmp_path / "nsm", fake_nsm(lambda fields: answer)))


def test_nitro_binds_report_data_alone(tmp_path: Path) -> None:
    seen = []

    def answer(fields: dict[str, Any]) -> bytes:
        seen.append(fields)
        return nsm_answer(fields)

    (tmp_path / "nsm").write_bytes(b"")
    NitroAttester(tmp_path / "nsm", fake_nsm(answer)).quote(DATA, NOW)
    assert seen == [{"user_data": DATA, "nonce": None, "public_key": None}]
    assert "FileNotFoundError" in refusal(NitroAttester(tmp_path / "absent"))
    assert "OSError" in refusal(NitroAttester(tmp_path / "nsm")), "a file is no device"


# ---- detection


def test_detection_opens_what_it_finds(tmp_path: Path) -> None:
    for path, kind in (
        (NSM_DEVICE, NitroAttester),
        (TSM_FOLDER, TsmAttester),
        (GRAMINE_FOLDER, GramineAttester),
        (DSTACK_SOCKET, DstackAttester),
    ):
        (tmp_path / path).mkdir(parents=True)
        assert isinstance(open_attester(tmp_path / "machine", simulated=False, root=tmp_path), kind)
    assert find_backends(tmp_path) == BACKENDS
    assert open_attester(tmp_path / "machine", simulated=True, root=tmp_path).is_simulated


def reason(root: Path, name: str) -> tuple[bool, str, str]:
    (found,) = (finding for finding in examine_backends(root) if finding.name == name)
    return found.is_usable, found.reason, found.next


def test_examination_says_what_is_missing(tmp_path: Path) -> None:
    findings = examine_backends(tmp_path)
    assert [finding.name for finding in findings] == [backend.name for backend in BACKENDS]
    assert all(not finding.is_usable and finding.reason and finding.next for finding in findings)
    assert reason(tmp_path, "configfs-tsm")[1] == "configfs is not mounted"
    (tmp_path / "sys/kernel/config/other").mkdir(parents=True)
    assert "no TDX or SEV-SNP guest" in reason(tmp_path, "configfs-tsm")[1]
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/sev-guest").touch()
    assert "SEV-SNP guest whose kernel" in reason(tmp_path, "configfs-tsm")[1]
    (tmp_path / "dev/tdx_guest").touch()
    assert "TDX guest whose kernel" in reason(tmp_path, "configfs-tsm")[1]
    (tmp_path / "dev/sgx_enclave").touch()
    assert "gramine-sgx" in reason(tmp_path, "Gramine SGX")[2]
    (tmp_path / TSM_FOLDER).mkdir(parents=True)
    assert reason(tmp_path, "configfs-tsm") == (True, "ready", "")


def test_examination_says_where_permission_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / TSM_FOLDER).mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    is_usable, why, next_step = reason(tmp_path, "configfs-tsm")
    assert (is_usable, why) == (False, f"this user may not use /{TSM_FOLDER}")
    assert "root" in next_step
