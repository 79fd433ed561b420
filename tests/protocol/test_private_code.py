"""Private code and sealed constructor arguments: the published vectors, and what does not open."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.crypto.hpke import OVERHEAD, SealingKey, seal
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.interface import parse_interface
from coprocessor.protocol.private_code import (
    MAX_PRIVATE_CODE,
    MAX_SEALED_PACKAGE,
    CodePlace,
    PrivateCode,
    compute_commitment,
    decode_private_code,
    derive_code_salt,
    is_private_code,
    open_code,
    public_interface,
    seal_code,
)
from coprocessor.protocol.sealed_init import MAX_SEALED_INIT, InitPlace, is_sealed_init, open_init, seal_init
from coprocessor.sandbox.package import CodePackage, compute_content_digest
from coprocessor.values.errors import CallerMisuse, CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId
from tests.vectors.private_code import INTERFACE, KEY, PLACE, PROGRAM

SALT = bytes(range(32))
COMMITMENT = compute_commitment(SALT, bytes(32))


def make(package: bytes = b"package", place: CodePlace = PLACE) -> PrivateCode:
    return seal_code(package, COMMITMENT, SALT, ("python", b"{}"), place, KEY.public_key)


def test_the_public_interface_holds_methods_and_types_alone() -> None:
    public = public_interface(INTERFACE)
    assert b"hidden" not in public.lower()
    assert set(parse_interface(public).methods) == {"add", "value"}
    assert parse_interface(public).methods["add"].parameters[0].is_required
    assert public_interface(public) == public


# ---- code


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, network=NetworkId(b"\x01" * 32)),
        replace(PLACE, cluster=ClusterId(b"\x01" * 32)),
        replace(PLACE, epoch=PLACE.epoch + 1),
        replace(PLACE, owner=Address(b"\x01" * 20)),
    ],
)
def test_code_opens_at_its_place_alone_whatever_the_record_claims(place: CodePlace) -> None:
    code = make()
    claimed = replace(code, cluster=place.cluster, epoch=place.epoch, owner=place.owner)
    for tried in (code, claimed):
        with pytest.raises(EvidenceRefused):
            open_code(tried, place, KEY)


@pytest.mark.parametrize("length", [0, 1, 4060, 4061, 60_000, 65_500, 65_501, 300_000, MAX_SEALED_PACKAGE])
def test_lengths_fall_into_few_buckets(length: int) -> None:
    code = make(b"\x5a" * length)
    size = len(code.sealed) - OVERHEAD
    assert size in (4096, 8192, 16384, 32768) or size % 65536 == 0
    assert len(code.encode()) <= MAX_PRIVATE_CODE
    assert open_code(code, PLACE, KEY).package == b"\x5a" * length


def test_a_package_that_is_too_long_is_refused_before_it_is_sealed() -> None:
    with pytest.raises(CallerMisuse, match=r"code\.size"):
        make(bytes(MAX_SEALED_PACKAGE + 1))


@pytest.mark.parametrize(
    "plaintext",
    [b"", bytes(35), bytes(36), bytes(4095), bytes(4097), bytes(8192), SALT + b"\xff" * 4060, bytes(4095) + b"\1"],
)
def test_padding_has_one_form(plaintext: bytes) -> None:
    bare = make()
    code = replace(bare, sealed=seal(plaintext, KEY.public_key, bare.info(PLACE.network)))
    with pytest.raises(MalformedInput):
        open_code(code, PLACE, KEY)


def test_seals_of_one_package_are_unlike_and_its_commitment_is_not() -> None:
    assert make().sealed != make().sealed
    assert make().commitment == make().commitment


def test_salt_and_commitment_depend_on_all_that_they_name() -> None:
    owner, other = PrivateKey(b"\x01" * 32), PrivateKey(b"\x02" * 32)
    salts = {
        derive_code_salt(key, network, cluster, content)
        for key in (owner, other)
        for network in (PLACE.network, NetworkId(bytes(32)))
        for cluster in (PLACE.cluster, ClusterId(bytes(32)))
        for content in (bytes(32), b"\x01" * 32)
    }
    assert len(salts) == 16
    assert len({compute_commitment(salt, content) for salt in salts for content in (bytes(32), b"\x01" * 32)}) == 32
    with pytest.raises(CallerMisuse):
        compute_commitment(b"short", bytes(32))


def encoded(**changes: Any) -> bytes:
    fields = {
        "cluster": bytes(32), "commitment": bytes(32), "epoch": 1, "interface": b"{}", "language": "python",
        "owner": bytes(20), "sealed": b"",
    } | changes  # fmt: skip
    return b"phat-private-1\n" + cbor.dumps({name: value for name, value in fields.items() if value is not None})


def test_the_good_form_is_read() -> None:
    assert is_private_code(encoded())
    assert decode_private_code(encoded()).encode() == encoded()


@pytest.mark.parametrize(
    "published",
    [
        b"",
        b"phat-private-1\n",
        b"phat-private-2\n" + encoded()[15:],
        encoded() + b"\0",
        encoded()[:-1],
        encoded(extra=1),
        encoded(sealed=None),
        encoded(epoch=0),
        encoded(epoch=True),
        encoded(epoch=b"1"),
        encoded(language=b"python"),
        encoded(language="x" * 17),
        encoded(owner=bytes(21)),
        encoded(cluster=bytes(31)),
        encoded(commitment="00"),
        encoded(interface=bytes(256 * 1024 + 1)),
        encoded(sealed=bytes(MAX_PRIVATE_CODE)),
    ],
)
def test_other_forms_are_refused(published: bytes) -> None:
    with pytest.raises(MalformedInput):
        decode_private_code(published)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for published in (data, b"phat-private-1\n" + data):
        with contextlib.suppress(MalformedInput):
            assert decode_private_code(published).encode() == published


@given(st.integers(0, len(make().encode()) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, mask: int) -> None:
    published = bytearray(GOOD)
    published[at] ^= mask
    with pytest.raises(CoprocessorError):
        open_code(decode_private_code(bytes(published)), PLACE, KEY)


GOOD = make().encode()


# ---- content digest


def test_the_digest_is_of_the_source_not_of_its_compression() -> None:
    interface = b'{"methods":[]}'
    fast, best = (CodePackage("python", interface, zlib.compress(b"{source}" * 9, level)) for level in (0, 9))
    assert compute_content_digest(fast) == compute_content_digest(best)
    others = [
        CodePackage("wasm", interface, fast.payload),
        CodePackage("python", b'{"methods": []}', fast.payload),
        CodePackage("python", interface, zlib.compress(b"{source}" * 8)),
    ]
    assert len({compute_content_digest(package) for package in (fast, *others)}) == 4


@pytest.mark.parametrize("payload", [b"x", b"x\x9c"])
def test_a_payload_that_is_no_bundle_has_no_digest(payload: bytes) -> None:
    with pytest.raises(MalformedInput):
        compute_content_digest(CodePackage("python", b'{"methods":[]}', payload))


# ---- constructor arguments

INIT = InitPlace(PLACE.network, PLACE.cluster, PLACE.epoch, PROGRAM)


@pytest.mark.parametrize("length", [0, 1, 254, 255, 1022, 1023, 4022])
def test_sealed_arguments_open(length: int) -> None:
    sealed = seal_init(b"\x07" * length, INIT, KEY.public_key)
    assert is_sealed_init(sealed)
    assert len(sealed) in (256 + 72, 1024 + 72, MAX_SEALED_INIT)
    assert open_init(sealed, INIT, KEY) == b"\x07" * length


def test_arguments_that_are_too_long_are_told_before_they_are_sealed() -> None:
    with pytest.raises(CallerMisuse, match=r"init\.size"):
        seal_init(bytes(4023), INIT, KEY.public_key)


@pytest.mark.parametrize("name", ["network", "cluster", "epoch", "program"])
def test_sealed_arguments_open_nowhere_else(name: str) -> None:
    sealed = seal_init(b"[1]", INIT, KEY.public_key)
    other = replace(INIT, **{name: 9 if name == "epoch" else b"\x09" * 32})
    for tried in (sealed, sealed[:16] + other.epoch.to_bytes(8, "big") + sealed[24:]):
        with pytest.raises(EvidenceRefused):
            open_init(tried, other, KEY)


@pytest.mark.parametrize("plaintext", [b"", b"\0", bytes(255), bytes(257), b"\xff" * 256, bytes(255) + b"\1"])
def test_argument_padding_has_one_form(plaintext: bytes) -> None:
    head = b"phat-sealed-init" + PLACE.epoch.to_bytes(8, "big")
    with pytest.raises(MalformedInput):
        open_init(head + seal(plaintext, KEY.public_key, INIT.info()), INIT, KEY)


def test_one_key_serves_code_and_arguments_and_neither_opens_as_the_other() -> None:
    code = make()
    with pytest.raises(EvidenceRefused):
        open_init(b"phat-sealed-init" + PLACE.epoch.to_bytes(8, "big") + code.sealed, INIT, KEY)
    with pytest.raises(EvidenceRefused):
        open_code(replace(code, sealed=seal_init(b"", INIT, KEY.public_key)[24:]), PLACE, KEY)
    assert SealingKey(KEY.secret).public_key == KEY.public_key
    assert Digest(code.commitment) == COMMITMENT
