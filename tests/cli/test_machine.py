"""``phat doctor``'s look at a machine: what it finds, what it misses, and what it says of evidence."""

from __future__ import annotations

import dataclasses
import json
import socket
from pathlib import Path

import pytest

from coprocessor.attestation.evidence import Evidence
from coprocessor.attesters import detect
from coprocessor.attesters.tsm import TSM_FOLDER
from coprocessor.cli import machine
from coprocessor.cli.machine import attest, check_machine, check_services, look_at_hardware
from coprocessor.cli.main import main
from coprocessor.host import collateral
from tests.attestation import samples


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PHAT_NETWORK", raising=False)


def test_without_hardware_a_machine_is_simulated(tmp_path: Path) -> None:
    found = look_at_hardware(tmp_path)
    assert found.interface is None
    assert "SIMULATED" in found.check.detail
    assert found.check.ok, "it is no failure: development networks need none"
    assert {one["name"] for one in found.interfaces} == {backend.name for backend in detect.BACKENDS}
    assert all(one["reason"] and one["next"] and not one["is_usable"] for one in found.interfaces)


def test_hardware_is_found(tmp_path: Path) -> None:
    (tmp_path / TSM_FOLDER).mkdir(parents=True)
    found = look_at_hardware(tmp_path)
    assert found.interface == "configfs-tsm"
    assert found.check.detail == "configfs-tsm is ready"


def test_ports_that_are_taken_are_named() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = f"127.0.0.1:{listener.getsockname()[1]}"
        ports = {check.name: check for check in check_machine(taken)}["ports"]
        assert not ports.ok
        assert taken in ports.detail
        assert ports.next
    for malformed in ("host", "127.0.0.1:x", "127.0.0.1:99999999"):
        assert not {check.name: check for check in check_machine(malformed)}["ports"].ok
    assert {check.name: check for check in check_machine()}["ports"].ok


def test_little_memory_and_disk_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_available_memory", lambda: 1 << 20)
    monkeypatch.setattr(machine, "_LEAST_DISK", 1 << 80)
    checks = {check.name: check for check in check_machine()}
    assert (checks["memory"].ok, checks["disk"].ok) == (False, False)
    monkeypatch.setattr(machine, "_available_memory", lambda: None)
    assert {check.name: check for check in check_machine()}["memory"].ok


class FakeAttester:
    """Gives whole simulated evidence."""

    name, is_simulated = "fake", False

    def quote(self, report_data: bytes, now: int) -> Evidence:
        report = dataclasses.replace(samples.SGX_REPORT, report_data=report_data)
        return samples.PLATFORM.sgx_evidence(report, now)

    def seal_key(self, purpose: bytes) -> bytes:
        return bytes(32)


def test_evidence_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "open_attester", lambda *args, **options: FakeAttester())
    check, found = attest(tmp_path)
    assert check.ok
    assert found is not None
    assert (found["kind"], found["status"], found["level"], found["simulated"]) == ("sgx", "UpToDate", 1, True)
    assert found["measurement"] == samples.VERDICT.measurement_digest
    assert found["platform"] == samples.VERDICT.platform_id


def test_evidence_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    check, found = attest(tmp_path)
    assert (check.ok, found) == (False, None)
    assert "attestation.simulated_refused" in check.detail
    assert check.next


def test_services_that_do_not_answer_are_said() -> None:
    (check,) = check_services({"Nobody": "http://127.0.0.1:1"})
    assert not check.ok
    assert check.name == "collateral of Nobody"
    assert check.next


def test_the_command_line_has_fixed_keys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coprocessor.cli.commands.doctor.check_services", list)
    assert main(["doctor", "--json", "--attest", "--online"]) == 1
    fields = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(fields) == {"ok", "simulated", "tee", "interfaces", "evidence", "checks"}
    assert (fields["simulated"], fields["evidence"]) == (True, None)
    assert fields["checks"][-1]["name"] == "evidence"


def test_the_command_line_says_why_there_is_no_hardware(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor"])
    said = capsys.readouterr().out
    assert "SIMULATED TEE" in said
    assert "no Gramine SGX: " in said
    assert status == (1 if "FAIL" in said else 0)


def test_services_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(url: str) -> collateral.Answer:
        return collateral.Answer(b"list", {})

    monkeypatch.setattr(collateral, "fetch", fetch)
    assert [check.ok for check in check_services()] == [True, True]
