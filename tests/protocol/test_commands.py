"""Sealed commands: the wire budget, who the author is, and copies that do not open (PROTOCOL 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.crypto import hpke
from coprocessor.crypto.hashing import keccak256
from coprocessor.protocol.commands import (
    COMMAND_OVERHEAD,
    REPLY_SECRET_LENGTH,
    Command,
    OpenedCommand,
    derive_reply_secret,
    method_selector,
    open_command,
    seal_command,
)
from coprocessor.protocol.links import LinkKind
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, NetworkId, ProgramId
from tests.protocol.samples import (
    AUTHOR,
    CHAIN_ID,
    INBOX,
    INPUT_KEY,
    NETWORK,
    PROGRAM,
    RELAYER,
    STRANGER,
    make_command,
    make_destination,
)
from tests.support.typed_data import typed_data_digest

COMMAND = make_command()
SUBMIT = make_destination()
BATCH = make_destination(LinkKind.BATCH, RELAYER.address)
MEMBERS = [
    ("bytes32", "program"),
    ("uint64", "epoch"),
    ("bytes4", "method"),
    ("bytes32", "argumentsDigest"),
    ("uint64", "nonce"),
    ("uint64", "deadline"),
    ("uint64", "fuelLimit"),
    ("uint128", "feeLimit"),
    ("bytes32", "replySecretDigest"),
]


def _open(sealed: bytes, destination: Any = SUBMIT, command: Command = COMMAND) -> OpenedCommand:
    return open_command(sealed, destination, INPUT_KEY, command.fuel_limit, command.fee_limit)


def test_the_wire_budget() -> None:
    """48 for HPKE, 65 signature, 4 method, 8 nonce, 5 deadline, 16 reply secret; with the handle's 4 it is 150."""
    assert COMMAND_OVERHEAD == 48 + 65 + 4 + 8 + 5 + 16 == 146
    for length in (0, 1, 50, 4000):
        sealed = seal_command(make_command(bytes(length)), SUBMIT, AUTHOR, INPUT_KEY.public_key)
        assert len(sealed) == COMMAND_OVERHEAD + length
    assert COMMAND_OVERHEAD + 4 + 50 == 200


@settings(max_examples=40)
@given(
    st.builds(
        Command,
        st.binary(min_size=4, max_size=4),
        st.binary(max_size=200),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**40 - 1),
        st.integers(0, 2**64 - 1),
        st.integers(0, 2**96 - 1),
        st.binary(min_size=REPLY_SECRET_LENGTH, max_size=REPLY_SECRET_LENGTH),
    )
)
def test_round_trip_recovers_command_and_author(command: Command) -> None:
    for destination in (SUBMIT, BATCH):
        sealed = seal_command(command, destination, AUTHOR, INPUT_KEY.public_key)
        assert _open(sealed, destination, command) == OpenedCommand(AUTHOR.address, command)


def test_the_author_signs_what_a_wallet_would_sign() -> None:
    values = [PROGRAM, 1, COMMAND.method, keccak256(COMMAND.arguments), COMMAND.nonce, COMMAND.deadline]
    values += [COMMAND.fuel_limit, COMMAND.fee_limit, keccak256(COMMAND.reply_secret)]
    assert COMMAND.digest(SUBMIT) == typed_data_digest("Command", MEMBERS, values, CHAIN_ID, INBOX)


COPIES = {
    "other origin": replace(SUBMIT, origin=STRANGER.address),
    "other kind": replace(SUBMIT, kind=LinkKind.BATCH),
    "other epoch": replace(SUBMIT, epoch=2),
    "other program": replace(SUBMIT, program=ProgramId(keccak256(b"other"))),
    "other network": replace(SUBMIT, network=NetworkId(keccak256(b"other"))),
    "by a relayer": BATCH,
}


@pytest.mark.parametrize("destination", COPIES.values(), ids=list(COPIES))
def test_a_copy_elsewhere_does_not_open(destination: Any) -> None:
    sealed = seal_command(COMMAND, SUBMIT, AUTHOR, INPUT_KEY.public_key)
    with pytest.raises(EvidenceRefused) as caught:
        _open(sealed, destination)
    assert caught.value.code == "hpke.open"


def test_changed_limits_do_not_open() -> None:
    sealed = seal_command(COMMAND, BATCH, AUTHOR, INPUT_KEY.public_key)
    for fuel, fee in ((COMMAND.fuel_limit + 1, COMMAND.fee_limit), (COMMAND.fuel_limit, COMMAND.fee_limit - 1)):
        with pytest.raises(EvidenceRefused):
            open_command(sealed, BATCH, INPUT_KEY, fuel, fee)


def test_another_chain_or_inbox_recovers_no_author_of_ours() -> None:
    sealed = seal_command(COMMAND, BATCH, AUTHOR, INPUT_KEY.public_key)
    for destination in (replace(BATCH, chain_id=1), replace(BATCH, inbox=Address(bytes(20)))):
        assert _open(sealed, destination).author != AUTHOR.address


def test_another_programs_key_does_not_open() -> None:
    sealed = seal_command(COMMAND, SUBMIT, AUTHOR, INPUT_KEY.public_key)
    with pytest.raises(EvidenceRefused):
        open_command(sealed, SUBMIT, hpke.SealingKey(b"\x05" * 32), COMMAND.fuel_limit, COMMAND.fee_limit)


def test_a_direct_submission_is_signed_by_its_sender() -> None:
    sealed = seal_command(COMMAND, SUBMIT, STRANGER, INPUT_KEY.public_key)
    with pytest.raises(EvidenceRefused) as caught:
        _open(sealed)
    assert caught.value.code == "void.origin"
    assert _open(seal_command(COMMAND, BATCH, STRANGER, INPUT_KEY.public_key), BATCH).author == STRANGER.address


@given(st.data())
def test_any_changed_bit_is_refused(data: st.DataObject) -> None:
    sealed = bytearray(seal_command(COMMAND, SUBMIT, AUTHOR, INPUT_KEY.public_key))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused):
        _open(bytes(sealed))


@given(st.binary(max_size=200))
def test_hostile_plaintexts_raise_only_documented_errors(plaintext: bytes) -> None:
    sealed = hpke.seal(plaintext, INPUT_KEY.public_key, SUBMIT.info(COMMAND.fuel_limit, COMMAND.fee_limit))
    with pytest.raises((EvidenceRefused, MalformedInput)):
        _open(sealed)


def test_a_plaintext_that_is_too_short_is_void() -> None:
    info = SUBMIT.info(COMMAND.fuel_limit, COMMAND.fee_limit)
    with pytest.raises(MalformedInput) as caught:
        _open(hpke.seal(bytes(COMMAND_OVERHEAD - hpke.OVERHEAD - 1), INPUT_KEY.public_key, info))
    assert caught.value.code == "void.short"


def test_reply_secrets_differ_by_author_network_program_and_nonce() -> None:
    secrets = {
        derive_reply_secret(AUTHOR, NETWORK, PROGRAM, 1),
        derive_reply_secret(AUTHOR, NETWORK, PROGRAM, 2),
        derive_reply_secret(STRANGER, NETWORK, PROGRAM, 1),
        derive_reply_secret(AUTHOR, NetworkId(bytes(32)), PROGRAM, 1),
        derive_reply_secret(AUTHOR, NETWORK, ProgramId(bytes(32)), 1),
    }
    assert len(secrets) == 5
    assert {len(secret) for secret in secrets} == {REPLY_SECRET_LENGTH}
    assert derive_reply_secret(AUTHOR, NETWORK, PROGRAM, 1) in secrets


def test_method_selectors() -> None:
    assert method_selector("vote") == keccak256(b"vote")[:4]
