"""Code packages: what is published on the chain."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.sandbox import package as package_module
from coprocessor.sandbox.engine import CompiledModule
from coprocessor.sandbox.package import MAX_PACKAGE_BYTES, CodePackage, decode_package, encode_package
from coprocessor.sandbox.project import build_package
from coprocessor.sandbox.python_guest import unbundle
from coprocessor.values.errors import CallerMisuse, GuestFailed, MalformedInput
from tests.guest.test_contracts import TOKEN
from tests.support.wasm import compile_text

INTERFACE = b'{"methods":[{"kind":"query","name":"f","selector":"0x00000000"}]}'
GOOD = CodePackage("wasm", INTERFACE, b"\0asm")


def test_round_trip() -> None:
    assert decode_package(encode_package(GOOD)) == GOOD


def pack(**changes: object) -> bytes:
    content = {"format": 1, "language": "wasm", "interface": INTERFACE, "payload": b"x", **changes}
    return zlib.compress(cbor.dumps({key: value for key, value in content.items() if value is not ...}))


def test_the_hand_made_package_is_good() -> None:
    assert decode_package(pack()).payload == b"x"


HOSTILE = {
    "empty": b"",
    "not zlib": b"hello",
    "truncated": pack()[:-3],
    "a tail": pack() + b"x",
    "too long": bytes(MAX_PACKAGE_BYTES + 1),
    "a bomb": zlib.compress(bytes(64 << 20), 9),
    "not CBOR": zlib.compress(b"\xff"),
    "CBOR with a tail": zlib.compress(zlib.decompress(pack()) + b"\0"),
    "a list": zlib.compress(cbor.dumps([1])),
    "a field less": pack(format=...),
    "a field more": pack(more=1),
    "another format": pack(format=2),
    "another language": pack(language="cobol"),
    "language of another type": pack(language=b"wasm"),
    "payload of another type": pack(payload="x"),
    "payload empty": pack(payload=b""),
    "interface of another type": pack(interface="{}"),
    "interface not JSON": pack(interface=b"{"),
    "interface a list": pack(interface=b"[]"),
    "interface without methods": pack(interface=b"{}"),
    "methods not a list": pack(interface=b'{"methods":{}}'),
    "a method without a name": pack(interface=b'{"methods":[{"kind":"query","selector":"0x"}]}'),
    "a method of unknown kind": pack(interface=b'{"methods":[{"kind":"x","name":"f","selector":"0x"}]}'),
    "interface nested": pack(interface=b"[" * 100_000),
    "interface too long": pack(interface=b'{"methods":[]}' + b" " * (package_module.MAX_INTERFACE_BYTES)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_packages(name: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        decode_package(HOSTILE[name])
    assert caught.value.code.startswith("package.")


@given(st.data())
def test_mutated_packages_raise_only_malformed_input(data: st.DataObject) -> None:
    content = bytearray(zlib.decompress(encode_package(GOOD)))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_package(zlib.compress(bytes(content)))
    except MalformedInput:
        return
    assert encode_package(decoded) == zlib.compress(bytes(content), 9)


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_package(data)


def test_a_package_that_cannot_be_published() -> None:
    payload = random.Random(1).randbytes(MAX_PACKAGE_BYTES + 1)
    with pytest.raises(MalformedInput, match=r"package\.too_large"):
        encode_package(CodePackage("wasm", INTERFACE, payload))


def test_a_python_project(tmp_path: Path, guest: CompiledModule) -> None:
    (tmp_path / "contract.py").write_text(TOKEN)
    package = build_package(tmp_path, lambda: guest)
    assert package.language == "python"
    assert json.loads(package.interface)["name"] == "Token"
    assert dict(unbundle(package.payload).files) == {"contract.py": TOKEN}
    assert decode_package(encode_package(package)) == package


def test_a_python_project_that_does_not_load(tmp_path: Path, guest: CompiledModule) -> None:
    (tmp_path / "contract.py").write_text("from phat import *\nclass C(Contract):\n  x: set[int]\n")
    with pytest.raises(GuestFailed) as caught:
        build_package(tmp_path, lambda: guest)
    assert "C.x: the type set[int] is not supported" in str(caught.value)


def test_a_raw_module(tmp_path: Path) -> None:
    wasm = compile_text(
        '(module (memory (export "memory") 1) (func (export "phat_alloc") (param i32) (result i32) (i32.const 0))'
        ' (func (export "phat_call") (param i32 i32) (result i64) (i64.const 0)))'
    )
    (tmp_path / "thing.wasm").write_bytes(wasm)
    with pytest.raises(CallerMisuse, match=r"thing\.interface\.json"):
        build_package(tmp_path / "thing.wasm")
    (tmp_path / "thing.interface.json").write_bytes(INTERFACE)
    assert build_package(tmp_path / "thing.wasm") == CodePackage("wasm", INTERFACE, wasm)
    (tmp_path / "thing.wasm").write_bytes(wasm[:-1])
    with pytest.raises(MalformedInput):
        build_package(tmp_path / "thing.wasm")
