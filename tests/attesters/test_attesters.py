"""Sources of evidence: the simulated platform, its measurement, and detection."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import coprocessor
from coprocessor.attestation.policy import AttestationPolicy, admit
from coprocessor.attestation.roots import SIMULATED_ROOT
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.attester import Attester
from coprocessor.attesters.detect import BACKENDS, find_backends, open_attester
from coprocessor.attesters.measure import MEASURED_PACKAGES, list_measured_files, measure_package
from coprocessor.attesters.simulated import SECRET_FILE, SimulatedAttester, simulated_measurement
from coprocessor.crypto.hashing import sha256
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, InternalError, MalformedInput

NOW = 1_790_000_000
CODE = bytes(sha256(b"code"))
REPORT_DATA = bytes(range(64))


def test_a_machine_keeps_its_identity_in_a_private_file(tmp_path: Path) -> None:
    first = SimulatedAttester.open(tmp_path / "machine", CODE)
    file = tmp_path / "machine" / SECRET_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "SIMULATED-INSECURE" in file.name
    assert list(file.parent.iterdir()) == [file]
    again = SimulatedAttester.open(tmp_path / "machine", CODE)
    assert again.quote(REPORT_DATA, NOW) == first.quote(REPORT_DATA, NOW)
    assert again.seal_key(b"share") == first.seal_key(b"share")
    other = SimulatedAttester.open(tmp_path / "other", CODE)
    names = {verify_evidence(a.quote(REPORT_DATA, NOW), NOW).platform_id for a in (first, again, other)}
    assert len(names) == 2
    assert other.seal_key(b"share") != first.seal_key(b"share")


def test_a_cut_secret_is_named(tmp_path: Path) -> None:
    (tmp_path / SECRET_FILE).write_bytes(b"cut")
    with pytest.raises(MalformedInput) as caught:
        SimulatedAttester.open(tmp_path, CODE)
    assert caught.value.code == "attestation.platform_secret"


def test_evidence_passes_a_policy_that_lists_the_measurement() -> None:
    attester: Attester = SimulatedAttester(bytes(32), CODE)
    assert attester.is_simulated
    assert "SIMULATED" in attester.name
    policy = AttestationPolicy(
        frozenset({simulated_measurement(CODE)}), frozenset({SIMULATED_ROOT.digest}), allow_simulated=True
    )
    assert admit(attester.quote(REPORT_DATA, NOW), policy, REPORT_DATA, NOW).simulated


def test_seal_keys_differ_by_machine_code_and_purpose() -> None:
    keys = {
        SimulatedAttester(secret, code).seal_key(purpose)
        for secret in (bytes(32), CODE)
        for code in (CODE, bytes(32))
        for purpose in (b"share", b"cache")
    }
    assert len(keys) == 8
    assert all(len(key) == 32 for key in keys)


def test_report_data_have_64_bytes() -> None:
    with pytest.raises(CallerMisuse):
        SimulatedAttester(bytes(32), CODE).quote(b"short", NOW)


def test_attesters_print_redacted() -> None:
    secret = bytes(sha256(b"secret"))
    assert secret.hex() not in repr(SimulatedAttester(secret, CODE))
    assert "redacted" in repr(SimulatedAttester(secret, CODE))


def copy_of_package(folder: Path) -> Path:
    (folder / "__init__.py").write_text("")
    for package in MEASURED_PACKAGES:
        (folder / package).mkdir()
        (folder / package / "code.py").write_text(package)
    return folder


def test_the_measurement_covers_every_byte_and_name_inside_the_boundary(tmp_path: Path) -> None:
    root = copy_of_package(tmp_path)
    found = [measure_package(root)]
    assert measure_package(root) == found[0]
    for package in MEASURED_PACKAGES:
        (root / package / "code.py").write_text("changed")
        found.append(measure_package(root))
    (root / "sandbox" / "guest.wasm").write_bytes(b"\0asm")
    found.append(measure_package(root))
    (root / "sandbox" / "guest.wasm").rename(root / "sandbox" / "other.wasm")
    found.append(measure_package(root))
    assert len(set(found)) == len(found)


def test_the_measurement_ignores_caches_and_what_lies_outside(tmp_path: Path) -> None:
    root = copy_of_package(tmp_path)
    before = measure_package(root)
    (root / "keys" / "__pycache__").mkdir()
    (root / "keys" / "__pycache__" / "code.cpython-311.pyc").write_bytes(b"cache")
    (root / "host").mkdir()
    (root / "host" / "code.py").write_text("host")
    assert measure_package(root) == before


def test_a_folder_without_code_is_not_measured(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    with pytest.raises(InternalError):
        measure_package(tmp_path)


def test_this_very_package_is_measured_with_all_its_rooms() -> None:
    names = [name for name, _ in list_measured_files()]
    assert "keys/dkg.py" in names
    assert "attesters/measure.py" in names
    present = {path.name for path in Path(coprocessor.__file__).parent.iterdir() if any(path.glob("*.py"))}
    assert {name.split("/")[0] for name in names if "/" in name} == present.intersection(MEASURED_PACKAGES)
    assert len(simulated_measurement()) == 32


def test_detection_goes_by_preference(tmp_path: Path) -> None:
    assert find_backends(tmp_path) == ()
    for backend in reversed(BACKENDS):
        path = tmp_path / backend.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        assert find_backends(tmp_path)[0] == backend
    assert find_backends(tmp_path) == BACKENDS


def test_simulation_is_only_asked_for(tmp_path: Path) -> None:
    with pytest.raises(EvidenceRefused) as caught:
        open_attester(tmp_path / "machine", simulated=False, root=tmp_path)
    assert caught.value.code == "attestation.simulated_refused"
    assert not (tmp_path / "machine").exists()
    assert open_attester(tmp_path / "machine", simulated=True, root=tmp_path).is_simulated
