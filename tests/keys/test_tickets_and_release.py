"""Tickets and key release: bindings, thresholds, codecs, and every way to misuse a message."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.keys.partial import combine_partials, verify_partial
from coprocessor.keys.release import (
    MAX_REQUEST_LENGTH,
    MAX_RESPONSE_LENGTH,
    KeyRequest,
    answer_request,
    build_request,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    open_response,
    verify_request,
)
from coprocessor.keys.shares import MAX_MEMBERS
from coprocessor.keys.tickets import (
    SignedTicket,
    Ticket,
    TicketRefused,
    decode_signed_ticket,
    encode_signed_ticket,
    sign_ticket,
    verify_ticket,
)
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import ClusterId, Digest, NetworkId, WorkerId
from tests.keys.ceremony import IDENTITY, NETWORK, shared_key

KEEPERS = [PrivateKey(sha256(b"keeper%d" % i)) for i in range(1, 4)]
ADDRESSES = [keeper.address for keeper in KEEPERS]
TICKET = Ticket(NETWORK, sha256(b"nonce"), 17, sha256(b"block"), insecure=True)
SHARES = shared_key(2, 3)
WORKER, WORKER_KEY = WorkerId(sha256(b"worker")), PrivateKey(sha256(b"worker key"))
SEALING, ANSWER = SealingKey(sha256(b"sealing")), SealingKey(sha256(b"answer"))
SEALING_KEYS = (SEALING.public_key, ANSWER.public_key)


def signed(*signers: PrivateKey, ticket: Ticket = TICKET) -> SignedTicket:
    return SignedTicket(ticket, tuple(sign_ticket(ticket, signer) for signer in signers))


def request() -> KeyRequest:
    return build_request(IDENTITY, WORKER, SEALING_KEYS, signed(*KEEPERS[:2]), WORKER_KEY)


def test_a_ticket_needs_distinct_members() -> None:
    check = verify_ticket(signed(KEEPERS[2], KEEPERS[0]), ADDRESSES, 2)
    assert check.signed == (ADDRESSES[0], ADDRESSES[2])
    assert check.missing == (ADDRESSES[1],)
    assert check.useless == 0
    for signers in ([KEEPERS[0]], [KEEPERS[0], KEEPERS[0]], [KEEPERS[0], WORKER_KEY]):
        with pytest.raises(TicketRefused) as caught:
            verify_ticket(signed(*signers), ADDRESSES, 2)
        assert caught.value.code == "ticket.threshold"
        assert caught.value.check.signed == (ADDRESSES[0],)
        assert caught.value.check.missing == (ADDRESSES[1], ADDRESSES[2])
        assert caught.value.check.useless == len(signers) - 1


@pytest.mark.parametrize(
    "change",
    [
        {"network": NetworkId(sha256(b"other"))},
        {"nonce": sha256(b"other")},
        {"block_number": 18},
        {"block_hash": sha256(b"other")},
        {"insecure": False},
    ],
)
def test_a_ticket_binds_each_field(change: dict[str, Any]) -> None:
    other = dataclasses.replace(TICKET, **change)
    assert other.digest != TICKET.digest
    with pytest.raises(TicketRefused):
        verify_ticket(SignedTicket(other, signed(*KEEPERS).signatures), ADDRESSES, 1)


def test_unreadable_signatures_are_useless() -> None:
    ticket = SignedTicket(TICKET, (bytes(65), sign_ticket(TICKET, KEEPERS[0])))
    assert verify_ticket(ticket, ADDRESSES, 1).useless == 1


def test_ticket_thresholds_and_sizes_are_checked() -> None:
    for threshold in (0, 4):
        with pytest.raises(MalformedInput):
            verify_ticket(signed(*KEEPERS), ADDRESSES, threshold)
    with pytest.raises(MalformedInput):
        verify_ticket(signed(*KEEPERS), [ADDRESSES[0], ADDRESSES[0]], 2)
    for signatures in ((bytes(64),), (bytes(65),) * (MAX_MEMBERS + 1)):
        with pytest.raises(MalformedInput):
            SignedTicket(TICKET, signatures)
    for changes in ({"nonce": b""}, {"block_number": -1}, {"block_number": True}, {"block_number": 2**64}):
        with pytest.raises(MalformedInput):
            dataclasses.replace(TICKET, **changes)


def test_codecs_are_inverse() -> None:
    ticket, asked = signed(*KEEPERS), request()
    answer = answer_request(asked, SHARES[1], KEEPERS[0])
    assert decode_signed_ticket(encode_signed_ticket(ticket)) == ticket
    assert decode_request(encode_request(asked)) == asked
    assert decode_response(encode_response(answer)) == answer


def test_the_largest_messages_fit_their_limits() -> None:
    ticket = dataclasses.replace(TICKET, block_number=2**64 - 1)
    full = SignedTicket(ticket, (sign_ticket(ticket, KEEPERS[0]),) * MAX_MEMBERS)
    identity = dataclasses.replace(IDENTITY, epoch=2**64 - 1)
    asked = build_request(identity, WORKER, SEALING_KEYS, full, WORKER_KEY)
    assert len(encode_request(asked)) <= MAX_REQUEST_LENGTH
    assert len(encode_response(answer_request(asked, SHARES[1], KEEPERS[0]))) <= MAX_RESPONSE_LENGTH
    assert decode_request(encode_request(asked)) == asked


shapes = st.lists(st.one_of(st.binary(), st.integers(0, 9)), max_size=9).map(cbor.dumps)


@given(st.one_of(st.binary(max_size=80), shapes))
@settings(max_examples=80)
def test_decoders_raise_documented_errors_alone(data: bytes) -> None:
    for decode in (decode_signed_ticket, decode_request, decode_response):
        with pytest.raises(CoprocessorError):
            decode(data)


def test_unknown_fields_are_refused() -> None:
    for encoded, decode in (
        (encode_signed_ticket(signed(*KEEPERS)), decode_signed_ticket),
        (encode_request(request()), decode_request),
        (encode_response(answer_request(request(), SHARES[1], KEEPERS[0])), decode_response),
    ):
        with pytest.raises(MalformedInput):
            decode(cbor.dumps([*cbor.loads(encoded), b"more"]))
        with pytest.raises(MalformedInput):
            decode(encoded + b"\0")


def test_a_request_binds_each_field_to_the_workers_key() -> None:
    asked = request()
    verify_request(asked, WORKER_KEY.address)
    other = sha256(b"other")
    for change in (
        {"identity": dataclasses.replace(IDENTITY, epoch=9)},
        {"identity": dataclasses.replace(IDENTITY, cluster=ClusterId(other))},
        {"worker": WorkerId(other)},
        {"sealing_key": bytes(other)},
        {"answer_key": bytes(other)},
        {"ticket": signed(*KEEPERS, ticket=dataclasses.replace(TICKET, nonce=Digest(other)))},
    ):
        with pytest.raises(EvidenceRefused) as caught:
            verify_request(dataclasses.replace(asked, **change), WORKER_KEY.address)
        assert caught.value.code == "release.not_the_worker"
    with pytest.raises(EvidenceRefused):
        verify_request(asked, KEEPERS[0].address)


def test_a_ticket_of_another_network_is_refused() -> None:
    for change in ({"network": NetworkId(sha256(b"other"))}, {"insecure": False}):
        foreign = signed(*KEEPERS, ticket=dataclasses.replace(TICKET, **change))
        with pytest.raises(EvidenceRefused) as caught:
            build_request(IDENTITY, WORKER, SEALING_KEYS, foreign, WORKER_KEY)
        assert caught.value.code == "release.foreign_ticket"


def test_released_parts_open_for_the_worker_and_combine() -> None:
    asked = request()
    committee = SHARES[1].committee
    parts = []
    for index in (1, 3):
        answer = answer_request(asked, SHARES[index], KEEPERS[index - 1])
        parts.append(open_response(asked, answer, ANSWER, ADDRESSES[index - 1]))
        verify_partial(parts[-1], committee, IDENTITY)
    assert combine_partials(committee, IDENTITY, parts).signed == (1, 3)


def test_a_response_is_worthless_elsewhere() -> None:
    asked = request()
    answer = answer_request(asked, SHARES[1], KEEPERS[0])
    again = build_request(dataclasses.replace(IDENTITY, epoch=4), WORKER, SEALING_KEYS, asked.ticket, WORKER_KEY)
    other = SEALING  # the attested key, which outlives the request, opens nothing
    resigned = dataclasses.replace(answer, index=2)
    for code, case in {
        "release.foreign_response": (again, answer, ANSWER, ADDRESSES[0]),
        "release.not_the_gatekeeper": (asked, answer, ANSWER, ADDRESSES[1]),
        "hpke.open": (asked, answer, other, ADDRESSES[0]),
    }.items():
        with pytest.raises(EvidenceRefused) as caught:
            open_response(*case)
        assert caught.value.code == code
    for changed in (resigned, dataclasses.replace(answer, sealed=bytes(96))):
        with pytest.raises(EvidenceRefused):
            open_response(asked, changed, ANSWER, ADDRESSES[0])


def test_message_shapes_are_checked() -> None:
    asked = request()
    answer = answer_request(asked, SHARES[1], KEEPERS[0])
    for message, change in (
        (asked, {"sealing_key": b"short"}),
        (asked, {"answer_key": b"short"}),
        (asked, {"signature": b"short"}),
        (asked, {"worker": b"short"}),
        (answer, {"sealed": b"short"}),
        (answer, {"signature": b"short"}),
        (answer, {"index": 0}),
        (answer, {"request": b"short"}),
    ):
        with pytest.raises(MalformedInput):
            dataclasses.replace(message, **change)  # type: ignore[type-var]
