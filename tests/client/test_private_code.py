"""The owner's side of private code: openings, and comparing a source with what is published."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from coprocessor.client.private_code import (
    Instance,
    Opening,
    compare_code,
    decode_opening,
    derive_opening,
    read_opening,
    seal_arguments,
    seal_package,
    write_opening,
)
from coprocessor.client.programs import InputKey
from coprocessor.client.published_code import PublishedCode, read_published
from coprocessor.protocol.sealed_init import InitPlace, is_sealed_init, open_init
from coprocessor.protocol.system import compute_program_id
from coprocessor.sandbox.package import CodePackage, encode_package
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import CodeHash
from tests.vectors import world
from tests.vectors.private_code import INTERFACE, KEY, OWNER, PLACE, WASM

PACKAGE = CodePackage("wasm", INTERFACE, WASM)
OTHER = CodePackage("wasm", INTERFACE, WASM + b"\0")
NETWORK = PLACE.network
CODE_KEY = InputKey(PLACE.epoch, KEY.public_key)


@pytest.fixture(scope="module")
def private() -> PublishedCode:
    return read_published(seal_package(NETWORK, PACKAGE, OWNER, PLACE.cluster, CODE_KEY).code.encode())


def test_published_code_is_read_as_far_as_it_is_public(private: PublishedCode) -> None:
    assert private.package is None
    assert set(private.interface.methods) == {"add", "value"}
    public = read_published(encode_package(PACKAGE))
    assert (public.private, public.package) == (None, PACKAGE)
    assert set(public.interface.methods) == {"add", "init", "value"}
    with pytest.raises(MalformedInput):
        read_published(b"junk")


def test_an_owner_compares_a_source_with_the_key_alone(private: PublishedCode) -> None:
    assert compare_code(NETWORK, private, PACKAGE, OWNER).matches
    differing = compare_code(NETWORK, private, OTHER, OWNER)
    assert not differing.matches
    assert private.private is not None
    assert differing.expected == private.private.commitment != differing.found


def test_others_compare_with_an_opening(private: PublishedCode, tmp_path: Path) -> None:
    opening = derive_opening(NETWORK, PACKAGE, OWNER, PLACE.cluster)
    write_opening(tmp_path / "opening", opening)
    assert stat.S_IMODE((tmp_path / "opening").stat().st_mode) == 0o600
    assert read_opening(tmp_path / "opening") == opening
    assert opening.salt.hex() not in repr(opening)
    assert compare_code(NETWORK, private, PACKAGE, opening).matches
    assert not compare_code(NETWORK, private, OTHER, opening).matches


def test_without_key_or_opening_nothing_is_said(private: PublishedCode) -> None:
    for opening in (None, world.secret("stranger")):
        with pytest.raises(CallerMisuse, match=r"code\.opening_needed"):
            compare_code(NETWORK, private, PACKAGE, opening)
    foreign = derive_opening(NETWORK, OTHER, OWNER, PLACE.cluster)
    with pytest.raises(CallerMisuse, match=r"code\.other_opening"):
        compare_code(NETWORK, private, OTHER, foreign)


def test_a_false_salt_opens_nothing(private: PublishedCode) -> None:
    assert private.private is not None
    forged = Opening(private.private.commitment, bytes(32))
    assert not compare_code(NETWORK, private, PACKAGE, forged).matches


def test_public_code_is_compared_by_what_it_says() -> None:
    public = read_published(encode_package(PACKAGE))
    assert compare_code(NETWORK, public, PACKAGE, None).matches
    assert not compare_code(NETWORK, public, OTHER, None).matches


def test_an_opening_is_never_overwritten(tmp_path: Path) -> None:
    opening = derive_opening(NETWORK, PACKAGE, OWNER, PLACE.cluster)
    (tmp_path / "opening").write_text("something else")
    with pytest.raises(CallerMisuse, match=r"code\.opening_file"):
        write_opening(tmp_path / "opening", opening)
    with pytest.raises(CallerMisuse, match=r"code\.opening_file"):
        read_opening(tmp_path / "missing")
    with pytest.raises(MalformedInput, match=r"code\.opening"):
        read_opening(tmp_path / "opening")


GOOD = {"format": "coprocessor/v1/code-opening", "commitment": "0x" + "00" * 32, "salt": "0x" + "11" * 32}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        GOOD | {"salt": "0x00"},
        GOOD | {"format": "coprocessor/v2/code-opening"},
        GOOD | {"commitment": 5},
        GOOD | {"more": 1},
        " " * 5000,
    ],
)
def test_other_files_are_no_openings(content: object) -> None:
    assert decode_opening(json.dumps(GOOD).encode()).salt == b"\x11" * 32
    with pytest.raises(MalformedInput, match=r"code\.opening"):
        decode_opening(json.dumps(content).encode())


def test_arguments_are_sealed_to_the_program_that_will_be_made() -> None:
    instance = Instance(OWNER.address, CodeHash(b"\x01" * 32), PLACE.cluster, b"\x02" * 32, bytes(32))
    sealed = seal_arguments(b"[1]", world.NETWORK, instance, CODE_KEY)
    programs = world.address_of("Programs")
    program = compute_program_id(
        world.CHAIN_ID, programs, instance.owner, instance.code_hash, PLACE.cluster, instance.salt, instance.policy
    )
    assert is_sealed_init(sealed)
    assert open_init(sealed, InitPlace(NETWORK, PLACE.cluster, PLACE.epoch, program), KEY) == b"[1]"
    assert seal_arguments(b"", world.NETWORK, instance, CODE_KEY) == b""
