"""Targets of the key ceremony, tickets, release, and what lies sealed on a disk."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.bls import SecretScalar
from coprocessor.crypto.hashing import sha256
from coprocessor.crypto.hkdf import hkdf_derive
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import sealed_share
from coprocessor.enclave.identity import EnclaveKeys
from coprocessor.enclave.sealed_share import (
    CeremonySecret,
    SealedShare,
    Wrapping,
    open_inner,
    open_outer,
    seal_share,
)
from coprocessor.keys.beacon import BeaconRound, combine_beacon, sign_beacon, verify_beacon, verify_beacon_part
from coprocessor.keys.dealing import Dealing, is_complaint_upheld, make_complaint, open_share, verify_dealing
from coprocessor.keys.dkg import Announcement, judge
from coprocessor.keys.messages import Complaints, DkgMessage, decode_dkg_message, encode_dkg_message
from coprocessor.keys.pads import (
    Pad,
    decode_offer,
    decode_receipt,
    decode_return,
    encode_offer,
    encode_receipt,
    encode_return,
    make_offer,
    make_pad,
    make_receipt,
    make_return,
    open_custodian_piece,
    open_custodian_return,
    open_offer,
    open_return,
    pass_custodian_piece,
    read_record,
    seal_custodian_piece,
    verify_piece,
    verify_receipt,
)
from coprocessor.keys.partial import PartialSignature, combine_partials, sign_partial, verify_partial
from coprocessor.keys.release import (
    KeyRequest,
    answer_request,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    open_response,
    verify_request,
)
from coprocessor.keys.shares import KeyShare
from coprocessor.keys.storage import decode_committee, encode_committee
from coprocessor.keys.tickets import decode_signed_ticket, encode_signed_ticket, verify_ticket
from coprocessor.keys.transcript import Entry, Speaker, read_transcript, sign_message
from coprocessor.values.identities import Digest
from tests.fuzz.target import REFUSED, Target, Unsound
from tests.keys.ceremony import IDENTITY, NETWORK, Ceremony, fresh_members, fresh_session, shared_key
from tests.keys.test_tickets_and_release import ADDRESSES, ANSWER, KEEPERS, SEALING, WORKER_KEY, request, signed
from tests.support.byte_mutation import join_parts, split_parts

_SEAL_KEY = sha256(b"seal key")


@cache
def _ceremony() -> Ceremony:
    session = fresh_session(2, 3)
    ceremony = Ceremony(session, fresh_members(session))
    ceremony.run()
    return ceremony


@cache
def _shares() -> dict[int, KeyShare]:
    return shared_key(2, 3)


def _messages() -> list[bytes]:
    ceremony = _ceremony()
    complaint = make_complaint(ceremony.session, ceremony.dealings[0], 2, _member_key())
    said = (*ceremony.announcements, *ceremony.dealings, Complaints((complaint,)))
    return [encode_dkg_message(message) for message in said]


def _member_key() -> SecretScalar:
    """The ceremony key of member 2."""
    return _ceremony().members[1]._ceremony_key


def _dealing(data: bytes) -> None:
    message = decode_dkg_message(data)
    if isinstance(message, Dealing):
        session = _ceremony().session
        verify_dealing(session, message, frozenset(session.receivers))
        open_share(session, message, 2, _member_key())


def _complaint(data: bytes) -> None:
    ceremony = _ceremony()
    message = decode_dkg_message(data)
    if isinstance(message, Complaints):
        key = _member_key().g1_element()
        for complaint in message.complaints:
            if is_complaint_upheld(ceremony.session, ceremony.dealings[0], key, complaint):
                raise Unsound("a complaint against an honest dealer is upheld")


def _judgement(data: bytes) -> None:
    """Parts: messages of members; whatever they say, the ceremony is judged or fails as documented."""
    found = [decode_dkg_message(part) for part in split_parts(data)]
    judge(
        _ceremony().session,
        [message for message in found if isinstance(message, Announcement)],
        [message for message in found if isinstance(message, Dealing)],
        [one for message in found if isinstance(message, Complaints) for one in message.complaints],
    )


_SIGNERS = tuple(PrivateKey(sha256(b"speaker %d" % at)) for at in range(3))


def _posted() -> list[bytes]:
    """A whole ceremony as it goes onto the chain: member, kind, then the signed message."""
    ceremony, session = _ceremony(), _ceremony().session
    phases: list[list[DkgMessage]] = [[*ceremony.announcements], [*ceremony.dealings], [Complaints(())] * 3]
    return [
        bytes((member, kind)) + sign_message(session, member, message, _SIGNERS[member])
        for kind, messages in enumerate(phases, start=1)
        for member, message in enumerate(messages)
    ]


def _transcript(data: bytes) -> None:
    """Parts: a message each; reading never fails, and nobody speaks for somebody else."""
    parts = [part for part in split_parts(data) if len(part) > 1]
    entries = [Entry(part[0], part[1], at, part[2:]) for at, part in enumerate(parts)]
    speakers = [Speaker(signer.address, at, at) for at, signer in enumerate(_SIGNERS, start=1)]
    session = _ceremony().session
    read = read_transcript(session, speakers, entries, opened=0, phase_blocks=100, now=len(entries))
    honest = _ceremony()
    if not all(one in honest.announcements for one in read.announcements):
        raise Unsound("an announcement that nobody signed counts")
    if not all(one in honest.dealings for one in read.dealings):
        raise Unsound("a dealing that nobody signed counts")


def _partial(data: bytes) -> None:
    """First byte: the member's index; the rest is the signature."""
    share = _shares()[1]
    partial = PartialSignature(data[0] if data else 0, data[1:])  # type: ignore[arg-type]
    verify_partial(partial, share.committee, IDENTITY)
    combined = combine_partials(share.committee, IDENTITY, [partial, sign_partial(_shares()[2], IDENTITY)])
    if combined.culprits:
        raise Unsound("a good part is blamed")


def _partial_seeds() -> list[bytes]:
    return [bytes((part.index,)) + part.signature for part in (sign_partial(_shares()[1], IDENTITY),)]


def _beacon(data: bytes) -> None:
    """First byte: the member's index and its part behind it, or zero and the whole signature."""
    committee = _shares()[1].committee
    round_ = BeaconRound(IDENTITY.network, 64, IDENTITY.insecure)
    if data[:1] == b"\0":
        verify_beacon(committee.group, round_, data[1:])
        return
    verify_beacon_part(PartialSignature(data[0] if data else 0, data[1:]), committee, round_)  # type: ignore[arg-type]


def _beacon_seeds() -> list[bytes]:
    round_ = BeaconRound(IDENTITY.network, 64, IDENTITY.insecure)
    parts = [sign_beacon(_shares()[index], round_) for index in (1, 2)]
    whole = combine_beacon(_shares()[1].committee, round_, parts).signature
    return [bytes((parts[0].index,)) + parts[0].signature, b"\0" + whole]


def _ticket(data: bytes) -> None:
    verify_ticket(decode_signed_ticket(data), ADDRESSES, 2)


def _request(data: bytes) -> None:
    verify_request(decode_request(data), WORKER_KEY.address)


@cache
def _asked() -> KeyRequest:
    return request()


def _response(data: bytes) -> None:
    open_response(_asked(), decode_response(data), ANSWER, KEEPERS[0].address)


@cache
def _pad() -> Pad:
    holders = tuple(signer.address for signer in _SIGNERS)
    return make_pad(NETWORK, WORKER_KEY.address, 3, 1, 2, holders, bytes(32), insecure=True)


@cache
def _kept() -> bytes:
    keys = EnclaveKeys.restore(b"\x11" * 32, b"\x12" * 32)
    secret = CeremonySecret(2, tuple(signer.address for signer in _SIGNERS), bytes(32))
    whole = SealedShare(NETWORK, keys, _shares()[1], secret)
    return seal_share(whole, _SEAL_KEY, bytes(32), Wrapping(_pad(), is_kept=False))


def _share_at_rest(data: bytes) -> None:
    open_inner(open_outer(data, _SEAL_KEY), _pad().secret, _SEAL_KEY)


def _cipher() -> SivKey:
    return SivKey(hkdf_derive(_SEAL_KEY, Label.SEALED_SHARE.context(b""), 32, bytes(32)))


def _share_content(data: bytes) -> None:
    """What stands inside a sealed share, sealed again, so that the parser behind the cipher is reached."""
    blob = cbor.dumps([bytes(32), _cipher().seal(bytes(12), data, b""), b"", []])
    sealed_share.open_share(blob, _SEAL_KEY, _pad().secret)


def _bare_outside() -> bytes:
    """The outer part of a candidate that has no share."""
    keys = EnclaveKeys.restore(b"\x11" * 32, b"\x12" * 32)
    bare = seal_share(SealedShare(NETWORK, keys, None, None), _SEAL_KEY, bytes(32), None)
    match cbor.loads(bare, 1 << 15):
        case [_, bytes(sealed), *_]:
            return _cipher().open(bytes(12), sealed, b"")
    raise AssertionError(bare)


def _inside(data: bytes) -> None:
    record = _pad().record
    cipher = sealed_share._inner_cipher(_SEAL_KEY, record, _pad().secret, bytes(32))
    outer = open_outer(_kept(), _SEAL_KEY)
    open_inner(replace(outer, inner=cipher.seal(bytes(12), data, b"")), _pad().secret, _SEAL_KEY)


def _share_inside() -> bytes:
    cipher = sealed_share._inner_cipher(_SEAL_KEY, _pad().record, _pad().secret, bytes(32))
    return cipher.open(bytes(12), open_outer(_kept(), _SEAL_KEY).inner, b"")


def _offer(data: bytes) -> None:
    open_offer(decode_offer(data), _SIGNERS[0].address, SEALING)


def offers() -> list[bytes]:
    """A piece on its way."""
    return [encode_offer(make_offer(_pad(), Digest(bytes(32)), _SIGNERS[0].address, SEALING.public_key, WORKER_KEY))]


def _receipt(data: bytes) -> None:
    verify_receipt(_pad().record, decode_receipt(data))


def _returned(data: bytes) -> None:
    open_return(_pad().record, decode_return(data), SEALING)


def _returns() -> list[bytes]:
    piece = _pad().piece(1, WORKER_KEY)
    return [encode_return(make_return(_pad().record, 1, piece, 4, SEALING.public_key, _SIGNERS[0]))]


def _custodian(data: bytes) -> None:
    piece = open_custodian_piece(_pad().record, 1, data[:145], SEALING)
    verify_piece(_pad().record, b"custodian", 1, piece)
    open_custodian_return(_pad().record, 1, data[145:], SEALING)


def _custodians() -> list[bytes]:
    record, polynomial = _pad().record, _pad().polynomial
    assert polynomial is not None
    sealed = seal_custodian_piece(_pad(), 1, polynomial, SEALING.public_key, WORKER_KEY)
    piece = open_custodian_piece(record, 1, sealed, SEALING)
    return [sealed + pass_custodian_piece(record, 1, piece, SEALING.public_key)]


KEY_TARGETS = (
    Target("dkg-message", decode_dkg_message, _messages, covers=("keys.messages.decode_dkg_message",)),
    Target(
        "dealing",
        _dealing,
        lambda: [encode_dkg_message(dealing) for dealing in _ceremony().dealings],
        errors=REFUSED,
        covers=("keys.dealing.verify_dealing", "keys.dealing.open_share"),
    ),
    Target(
        "transcript",
        _transcript,
        lambda: [join_parts(_posted())],
        covers=("keys.transcript.read_transcript",),
        examples=40,
    ),
    Target("complaint", _complaint, lambda: _messages()[-1:]),
    Target(
        "judgement",
        _judgement,
        lambda: [join_parts(_messages()[:6]), join_parts(_messages())],
        errors=REFUSED,
        examples=30,
    ),
    Target(
        "beacon",
        _beacon,
        _beacon_seeds,
        errors=REFUSED,
        covers=("keys.beacon.verify_beacon", "keys.beacon.verify_beacon_part", "keys.partial.verify_part"),
        examples=40,
    ),
    Target("partial", _partial, _partial_seeds, errors=REFUSED, covers=("keys.partial.verify_partial",), examples=40),
    Target(
        "ticket",
        _ticket,
        lambda: [encode_signed_ticket(signed(*KEEPERS[:2]))],
        errors=REFUSED,
        covers=("keys.tickets.decode_signed_ticket", "keys.tickets.verify_ticket"),
    ),
    Target(
        "key-request",
        _request,
        lambda: [encode_request(request())],
        errors=REFUSED,
        covers=("keys.release.decode_request", "keys.release.verify_request"),
    ),
    Target(
        "key-response",
        _response,
        lambda: [encode_response(answer_request(_asked(), _shares()[1], KEEPERS[0]))],
        errors=REFUSED,
        covers=("keys.release.decode_response", "keys.release.open_response"),
    ),
    Target(
        "committee",
        decode_committee,
        lambda: [encode_committee(_shares()[1].committee)],
        errors=REFUSED,
        covers=("keys.storage.decode_committee",),
        examples=40,
    ),
    Target(
        "sealed-share",
        _share_at_rest,
        lambda: [_kept()],
        errors=REFUSED,
        covers=(
            "enclave.sealed_share.open_share",
            "enclave.sealed_share.open_outer",
            "enclave.sealed_share.open_inner",
        ),
    ),
    Target("sealed-share-content", _share_content, lambda: [_bare_outside()], errors=REFUSED, examples=40),
    Target("sealed-share-inside", _inside, lambda: [_share_inside()], errors=REFUSED, examples=40),
    Target(
        "pad-record",
        lambda data: read_record(cbor.loads(data, 4096)),
        lambda: [cbor.dumps(_pad().record.to_plain())],
        errors=REFUSED,
        covers=("keys.pads.read_record",),
    ),
    Target(
        "pad-offer",
        _offer,
        offers,
        errors=REFUSED,
        covers=("keys.pads.decode_offer", "keys.pads.open_offer"),
        examples=40,
    ),
    Target(
        "pad-receipt",
        _receipt,
        lambda: [encode_receipt(make_receipt(_pad().record, 1, SEALING.public_key, _SIGNERS[0]))],
        errors=REFUSED,
        covers=("keys.pads.decode_receipt", "keys.pads.verify_receipt"),
    ),
    Target(
        "pad-return",
        _returned,
        _returns,
        errors=REFUSED,
        covers=("keys.pads.decode_return", "keys.pads.open_return"),
        examples=40,
    ),
    Target(
        "pad-custodian",
        _custodian,
        _custodians,
        errors=REFUSED,
        examples=40,
        covers=("keys.pads.open_custodian_piece", "keys.pads.open_custodian_return", "keys.pads.verify_piece"),
    ),
)
