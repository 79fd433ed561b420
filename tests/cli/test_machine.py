"""``phat doctor``'s look at a machine: what it finds, what it misses, and what it says of evidence."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from coprocessor.attestation.evidence import Evidence, decode_evidence, encode_evidence
from coprocessor.attesters import detect
from coprocessor.attesters.dstack import DSTACK_SOCKET
from coprocessor.attesters.gramine import GRAMINE_FOLDER
from coprocessor.attesters.nitro import NSM_DEVICE, NitroAttester
from coprocessor.attesters.tsm import TSM_FOLDER, TsmAttester
from coprocessor.cli import machine
from coprocessor.cli.commands import doctor
from coprocessor.cli.machine import attest, check_machine, check_services, look_at_hardware
from coprocessor.cli.main import main
from coprocessor.host import collateral
from tests.attestation import samples
from tests.attesters.fakes import FakeTsm, dstack_answers, fake_dstack, fake_gramine, fake_nsm
from tests.attesters.test_hardware import NOW, nsm_answer, sgx_quote, tdx_quote, with_collateral


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


# ---- fake machines, each with one interface at its true place


@contextlib.contextmanager
def fake_machine(name: str, root: Path) -> Iterator[Path]:
    """A file system's root with the interface of this name, which works."""
    if name == "dstack":
        with fake_dstack(root / DSTACK_SOCKET, dstack_answers(tdx_quote)):
            yield root
    elif name == "Gramine SGX":
        with fake_gramine(root / GRAMINE_FOLDER, sgx_quote):
            yield root
    elif name == "Nitro":
        (root / NSM_DEVICE).parent.mkdir(parents=True)
        (root / NSM_DEVICE).touch()
        yield root
    else:
        (root / TSM_FOLDER).mkdir(parents=True)
        yield root


MACHINES = {"dstack": "tdx", "Gramine SGX": "sgx", "configfs-tsm": "tdx", "Nitro": "nitro"}


@pytest.fixture
def fake_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel does where no file can stand for it, and the vendors' services."""
    make = FakeTsm(tdx_quote, "tdx_guest").make_entry
    backends = {
        "configfs-tsm": lambda path: TsmAttester(path, make),
        "Nitro": lambda path: NitroAttester(path, fake_nsm(nsm_answer)),
    }
    changed = tuple(dataclasses.replace(one, make=backends.get(one.name, one.make)) for one in detect.BACKENDS)
    monkeypatch.setattr(detect, "BACKENDS", changed)

    async def complete(evidence: bytes) -> bytes:
        return encode_evidence(with_collateral(decode_evidence(evidence)))

    monkeypatch.setattr(collateral, "complete_evidence", complete)
    monkeypatch.setattr("time.time", lambda: NOW)


@pytest.mark.usefixtures("fake_kernel")
@pytest.mark.parametrize("name", MACHINES)
def test_each_kind_of_machine_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_machine(name, tmp_path) as root:
        for command in ("look_at_hardware", "attest"):
            monkeypatch.setattr(doctor, command, functools.partial(getattr(machine, command), root))
        main(["doctor", "--attest", "--json"])
        fields = json.loads(capsys.readouterr().out.splitlines()[-1])
        found = {one["name"]: one for one in fields["interfaces"]}
        assert (fields["tee"], fields["simulated"]) == (name, False)
        assert [one for one in found if found[one]["is_usable"]] == [name]
        assert all(one["reason"] and one["next"] for one in found.values() if not one["is_usable"])
        evidence = fields["evidence"]
        assert (evidence["kind"], evidence["status"], evidence["level"]) == (MACHINES[name], "UpToDate", 1)
        assert evidence["simulated"], "the fakes' quotes are the simulated vendor's"
        assert "SIMULATED" in fields["checks"][-1]["detail"]


@pytest.mark.usefixtures("fake_kernel")
def test_a_machine_whose_device_fails_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_dstack(tmp_path / DSTACK_SOCKET, lambda method, fields: (500, {"error": "no"})):
        for command in ("look_at_hardware", "attest"):
            monkeypatch.setattr(doctor, command, functools.partial(getattr(machine, command), tmp_path))
        assert main(["doctor", "--attest"]) == 1
    said = capsys.readouterr().out
    assert "attestation.device" in said
    assert "kernel's log" in said
