"""The packed guest as package data, and projects as bundles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from coprocessor.sandbox import python_guest
from coprocessor.sandbox.python_guest import bundle, bundle_files, guest_digest, load_guest_wasm, unbundle
from coprocessor.sandbox.validation import PYTHON_PROFILE, check_guest
from coprocessor.sandbox.wasm_format import read_layout
from coprocessor.values.errors import CallerMisuse, InternalError, MalformedInput

ROOT = Path(__file__).parents[2]
COUNTER = b"from phat import Contract\nclass Counter(Contract):\n    count: int = 0\n"


def test_the_artefact_is_the_one_of_its_provenance() -> None:
    wasm = load_guest_wasm()
    assert hashlib.sha256(wasm).digest() == guest_digest()
    assert len(wasm) == python_guest.provenance()["wasm_bytes"]
    check_guest(read_layout(wasm), PYTHON_PROFILE)


def test_the_artefact_was_made_from_these_sources() -> None:
    """Whoever changes the guest's sources runs ``python engines/cpython/build.py`` and commits the result."""
    recorded = python_guest.provenance()["sources"]
    changed = [path for path, digest in recorded.items() if _digest(ROOT / path) != digest]
    assert changed == []
    for folder in ("engines/cpython/runtime", "src/phat"):
        present = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*.py")}
        assert present <= set(recorded)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", ["flip", "cut", "tail"])
def test_a_damaged_artefact_is_refused(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    original = python_guest._read_resource
    packed = bytearray(original("cpython.wasm.xz"))
    if damage == "flip":
        packed[len(packed) // 2] ^= 1
    elif damage == "cut":
        del packed[-100:]
    monkeypatch.setattr(
        python_guest,
        "_read_resource",
        lambda name: _provenance_of_another() if name == "provenance.json" and damage == "tail"
        else bytes(packed) if name == "cpython.wasm.xz" else original(name),
    )  # fmt: skip
    with pytest.raises(InternalError) as caught:
        load_guest_wasm()
    assert caught.value.code == "sandbox.guest"


def _provenance_of_another() -> bytes:
    return json.dumps({"wasm_sha256": "00" * 32}).encode()


def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / "anything.py"
    path.write_bytes(COUNTER)
    content = unbundle(bundle(path))
    assert (content.entry, dict(content.files)) == ("anything.py", {"anything.py": COUNTER.decode()})


def test_a_folder(tmp_path: Path) -> None:
    for name in ("contract.py", "helpers.py", "tests/test_it.py", "__pycache__/x.pyc", ".git/config", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(COUNTER)
    (tmp_path / "rows.csv").write_bytes(b"\xff\x00")
    (tmp_path / "phat.toml").write_text('data = ["rows.csv"]\n')
    content = unbundle(bundle(tmp_path))
    assert sorted(content.files) == ["contract.py", "helpers.py"]
    assert (content.entry, dict(content.data)) == ("contract.py", {"rows.csv": b"\xff\x00"})
    assert bundle(tmp_path) == bundle(tmp_path)


def test_the_entry(tmp_path: Path) -> None:
    assert unbundle(bundle_files({"a.py": b"", "main.py": b""})).entry == "main.py"
    assert unbundle(bundle_files({"a.py": b"", "main.py": b"", "contract.py": b""})).entry == "contract.py"
    assert unbundle(bundle_files({"only.py": b"", "package/__init__.py": b""})).entry == "only.py"
    assert unbundle(bundle_files({"a.py": b"", "b.py": b"", "phat.toml": b'entry = "b.py"'})).entry == "b.py"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "project.entry"),
        ({"a.py": b"", "b.py": b""}, "project.entry"),
        ({"a.py": b"", "phat.toml": b'entry = "c.py"'}, "project.entry"),
        ({"a.py": b"", "phat.toml": b"entry = 3"}, "project.entry"),
        ({"a.py": b"", "weights.bin": b""}, "project.undeclared_file"),
        ({"a.py": b"", "phat.toml": b"colour = 3"}, "project.settings"),
        ({"a.py": b"", "phat.toml": b"data = 3"}, "project.settings"),
        ({"a.py": b"", "phat.toml": b'data = ["x"]'}, "project.settings"),
    ],
)
def test_projects_that_are_not_one(files: dict[str, bytes], code: str) -> None:
    with pytest.raises(CallerMisuse) as caught:
        bundle_files(files)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"a.py": b"\xff"}, "project.encoding"),
        ({"a.py": b"", "phat.toml": b"\xff"}, "project.settings"),
        ({"a.py": b"", "phat.toml": b"["}, "project.settings"),
        ({"a.py": b"", "with-dash.py": b""}, "project.bundle"),
        ({"a.py": b"x" * (9 << 20)}, "project.bundle"),
    ],
)
def test_projects_that_cannot_be_bundled(files: dict[str, bytes], code: str) -> None:
    if "with-dash.py" in files:
        files = {**files, "phat.toml": b'entry = "a.py"'}
    with pytest.raises(MalformedInput) as caught:
        bundle_files(files)
    assert caught.value.code == code


def test_a_path_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(CallerMisuse, match=r"project\.missing"):
        bundle(tmp_path / "nothing")


def test_a_folder_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "contract.py").write_bytes(b"#" * (python_guest.MAX_PROJECT_BYTES + 1))
    with pytest.raises(MalformedInput, match=r"project\.too_large"):
        bundle(tmp_path)


def test_unbundle_raises_only_its_own_error() -> None:
    with pytest.raises(MalformedInput, match=r"project\.bundle"):
        unbundle(b"junk")
