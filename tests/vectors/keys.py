"""``vectors/keys.json``: identity, shares, key tree, tickets, release, share at rest (PROTOCOL 2.4, 8, 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import cbor
from coprocessor.crypto.aead import SivKey
from coprocessor.crypto.bls import BlsPublicKey, BlsSignature, G1Element, Purpose, SecretScalar
from coprocessor.crypto.hashing import hmac_sha256, keccak256
from coprocessor.crypto.hkdf import hkdf_derive, hkdf_extract
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.labels import Label
from coprocessor.enclave.sealed_share import open_share
from coprocessor.keys.derivation import ClusterKeys, derive_cluster_keys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.pads import (
    PadRecord,
    combine_pieces,
    decode_offer,
    decode_receipt,
    decode_return,
    encode_offer,
    encode_return,
    is_confirmed,
    make_pad,
    open_custodian_piece,
    open_offer,
    open_return,
    verify_piece,
    verify_receipt,
)
from coprocessor.keys.partial import PartialSignature, combine_partials, sign_partial
from coprocessor.keys.release import (
    KeyRequest,
    KeyResponse,
    build_request,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    open_response,
    verify_request,
)
from coprocessor.keys.shares import CommitteeKeys, KeyShare, Polynomial, evaluate_commitment
from coprocessor.keys.tickets import (
    SignedTicket,
    Ticket,
    decode_signed_ticket,
    encode_signed_ticket,
    sign_ticket,
    verify_ticket,
)
from coprocessor.sandbox.drawn import derive_application_key, draw_random
from coprocessor.values.identities import Address, ClusterId, Digest, NetworkId, ProgramId, WorkerId
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw

POLYNOMIAL = Polynomial([SecretScalar.derive(bytes(32), bytes((power,))) for power in range(2)])
"""The master key of a committee of three with a threshold of two."""

_COMMITMENT = POLYNOMIAL.commitment()
COMMITTEE = CommitteeKeys(2, _COMMITMENT[0], tuple((at, evaluate_commitment(_COMMITMENT, at)) for at in (1, 2, 3)))
SHARES = {at: KeyShare(at, POLYNOMIAL.evaluate(at), COMMITTEE) for at in (1, 2, 3)}
IDENTITY = world.CLUSTER_KEYS.identity
GATEKEEPERS = [world.secret(f"gatekeeper {at}") for at in (1, 2, 3)]
TICKET = Ticket(world.NETWORK_ID, keccak256(b"nonce"), world.BLOCK_NUMBER, world.header().hash, True)
SEALING, ANSWER = (SealingKey(keccak256(name + b" key of the worker")) for name in (b"sealing", b"answer"))
SEALING_KEYS = (SEALING.public_key, ANSWER.public_key)


def _identity(given: Mapping[str, Any]) -> ClusterIdentity:
    network, cluster = NetworkId(raw(given["network"])), ClusterId(raw(given["cluster"]))
    return ClusterIdentity(network, cluster, given["epoch"], given["insecure"])


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"message": _identity(given).message()}


def _share(given: Mapping[str, Any]) -> dict[str, Any]:
    polynomial = Polynomial([SecretScalar.from_bytes(raw(item)) for item in given["coefficients"]])
    share = polynomial.evaluate(given["index"])
    return {"commitment": polynomial.commitment(), "share": share.to_bytes(), "share_key": share.public_key()}


def _committee(given: Mapping[str, Any]) -> CommitteeKeys:
    shares = tuple((index, BlsPublicKey(raw(key))) for index, key in given["share_keys"])
    return CommitteeKeys(given["threshold"], BlsPublicKey(raw(given["group"])), shares)


def _partial(given: Mapping[str, Any]) -> dict[str, Any]:
    scalar = SecretScalar.from_bytes(raw(given["share"]))
    return {"partial": scalar.sign(_identity(given["identity"]).message(), Purpose.CLUSTER_IDENTITY)}


def _combine(given: Mapping[str, Any]) -> dict[str, Any]:
    parts = [PartialSignature(index, BlsSignature(G1Element(raw(part)))) for index, part in given["partials"]]
    combined = combine_partials(_committee(given["committee"]), _identity(given["identity"]), parts)
    return {"signature": combined.signature, "signed": combined.signed, "culprits": combined.culprits}


def _tree(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every key below the group's signature."""
    identity, signature = _identity(given["identity"]), raw(given["signature"])
    keys = derive_cluster_keys(signature, identity, raw(given["group"]))
    secret = hkdf_extract(identity.context(Label.CLUSTER_SECRET), signature)
    program = keys.program(ProgramId(raw(given["program"])))
    assert ClusterKeys(secret, identity).randomness_secret == keys.randomness_secret
    return {
        "cluster_secret": secret,
        "randomness": keys.randomness_secret,
        "query_randomness": keys.query_randomness_secret,
        "private_code_public": keys.private_code_key.public_key,
        "state_key": program.state_key,
        "state_nonce_key": program.state_nonce_key,
        "state_path_key": program.state_path_key,
        "nonce_path_key": program.nonce_path_key,
        "input_public": program.input_key.public_key,
        "account": program.account_key.address,
        "query_account": program.query_account_key.address,
        "application_secret": program.application_secret,
    }


def _application_key(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": derive_application_key(raw(given["application_secret"]), raw(given["purpose"]))}


def _random(given: Mapping[str, Any]) -> dict[str, Any]:
    program, position = ProgramId(raw(given["program"])), given["position"].to_bytes(4, "big")
    seed = hmac_sha256(raw(given["randomness"]), raw(given["link_hash"]) + position + program)
    return {"seed": seed, "bytes": draw_random(seed, program, given["call"], given["length"])}


def _ticket(given: Mapping[str, Any]) -> dict[str, Any]:
    signed = decode_signed_ticket(raw(given["ticket"]))
    assert encode_signed_ticket(signed) == raw(given["ticket"])
    check = verify_ticket(signed, [Address(raw(item)) for item in given["gatekeepers"]], given["threshold"])
    return {"ticket": signed.ticket, "digest": signed.ticket.digest, "signed": check.signed}


def _request(given: Mapping[str, Any]) -> dict[str, Any]:
    request = decode_request(raw(given["request"]))
    assert encode_request(request) == raw(given["request"])
    verify_request(request, Address(raw(given["signer"])))
    return {"identity": request.identity, "worker": request.worker, "digest": request.digest}


def _response(given: Mapping[str, Any]) -> dict[str, Any]:
    request, response = decode_request(raw(given["request"])), decode_response(raw(given["response"]))
    assert encode_response(response) == raw(given["response"])
    key = SealingKey(raw(given["answer_secret"]))
    partial = open_response(request, response, key, Address(raw(given["gatekeeper"])))
    return {"index": partial.index, "partial": partial.signature}


def _at_rest(given: Mapping[str, Any]) -> dict[str, Any]:
    pad = SecretScalar.from_bytes(raw(given["pad"])) if given["pad"] else None
    opened = open_share(raw(given["blob"]), raw(given["seal_key"]), pad)
    return {
        "network": opened.network,
        "signer": opened.keys.signing.address,
        "sealing_public": opened.keys.sealing.public_key,
        "share": None if opened.share is None else [opened.share.index, opened.share.secret.to_bytes()],
        "ceremony": opened.ceremony,
    }


def _tree_cases() -> list[Case]:
    committee = {"threshold": 2, "group": COMMITTEE.group, "share_keys": [list(item) for item in COMMITTEE.shares]}
    partials = [[at, sign_partial(SHARES[at], IDENTITY).signature] for at in (1, 2, 3)]
    signature = combine_partials(COMMITTEE, IDENTITY, [sign_partial(SHARES[at], IDENTITY) for at in (1, 3)]).signature
    combining = {"committee": committee, "identity": IDENTITY}
    tree = {"signature": signature, "group": COMMITTEE.group, "identity": IDENTITY, "program": world.PROGRAM}
    coefficients = [SecretScalar.derive(bytes(32), bytes((power,))).to_bytes() for power in range(2)]
    wrong = [[1, partials[0][1]], [2, partials[2][1]]]
    swapped = committee | {"share_keys": [[1, COMMITTEE.shares[1][1]], [2, COMMITTEE.shares[0][1]]]}
    application = {"application_secret": world.PROGRAM_KEYS.application_secret, "purpose": b"backup"}
    draw = {"randomness": world.CLUSTER_KEYS.randomness_secret, "link_hash": world.heads()[4], "position": 0}
    draw |= {"program": world.PROGRAM, "call": 0, "length": 40}
    secure = plain(IDENTITY) | {"insecure": False}
    return [
        Case("what the group key signs", "8.1", "identity", plain(IDENTITY)),
        Case("on real hardware", "8.1", "identity", secure),
        Case("a short cluster id", "8.1", "identity", plain(IDENTITY) | {"cluster": "0x00"}, "value.digest"),
        Case("an epoch beyond 64 bits", "8.1", "identity", plain(IDENTITY) | {"epoch": 2**64}, "keys.epoch"),
        Case("a share", "9.3", "share", {"coefficients": coefficients, "index": 3}),
        Case("the share of index 0", "9.3", "share", {"coefficients": coefficients, "index": 0}, "keys.index"),
        Case("a partial signature", "8.1", "partial", {"share": SHARES[1].secret.to_bytes(), "identity": IDENTITY}),
        Case("parts 1 and 3", "8.1", "combine", combining | {"partials": [partials[0], partials[2]]}),
        Case("parts 2 and 3", "8.1", "combine", combining | {"partials": partials[1:]}),
        Case("a wrong part among three", "9.3", "combine", combining | {"partials": [wrong[1], *partials[::2]]}),
        Case("one part", "9.2", "combine", combining | {"partials": partials[:1]}, "keys.not_enough_partials"),
        Case("one of two is wrong", "9.3", "combine", combining | {"partials": wrong}, "keys.not_enough_partials"),
        Case("keys that fit no polynomial", "9.3", "combine",
             combining | {"committee": swapped, "partials": partials}, "keys.committee"),
        Case("the identity as a key", "9.3", "combine",
             combining | {"committee": committee | {"group": b"\xc0" + bytes(95)}, "partials": partials}, "bls.point"),
        Case("the key tree", "8.1", "tree", tree),
        Case("another epoch's signature", "8.1", "tree",
             tree | {"identity": plain(IDENTITY) | {"epoch": 2}}, "bls.signature"),
        Case("a network without simulation", "8.1", "tree", tree | {"identity": secure}, "bls.signature"),
        Case("a program's own key", "8.1", "application_key", application),
        Case("randomness", "5.2", "random", draw),
        Case("the next call of random", "5.2", "random", draw | {"call": 1}),
    ]


def _release_cases() -> list[Case]:
    signatures = tuple(sign_ticket(TICKET, key) for key in GATEKEEPERS)
    signed = SignedTicket(TICKET, signatures[:2])
    committee = {"gatekeepers": [key.address for key in GATEKEEPERS], "threshold": 2}
    ticket = committee | {"ticket": encode_signed_ticket(signed)}
    twice = encode_signed_ticket(SignedTicket(TICKET, (signatures[0], signatures[0])))
    worker, enclave = WorkerId(world.WORKERS[0]), world.SIGNERS[0]
    request = build_request(IDENTITY, worker, SEALING_KEYS, signed, enclave)
    asking = {"request": encode_request(request), "signer": enclave.address}
    elsewhere = SignedTicket(Ticket(NetworkId(bytes(32)), *_ticket_rest()), ())
    parts = [IDENTITY.network, IDENTITY.cluster, IDENTITY.epoch, True, worker, *SEALING_KEYS]
    foreign = cbor.dumps([*parts, encode_signed_ticket(elsewhere), request.signature])
    response = _respond(request, 1)
    answer = {
        "request": asking["request"],
        "response": encode_response(response),
        "answer_secret": ANSWER.secret,
        "gatekeeper": GATEKEEPERS[0].address,
    }
    other = build_request(IDENTITY, WorkerId(world.WORKERS[1]), SEALING_KEYS, signed, enclave)
    return [
        Case("a ticket of two gatekeepers", "2.4", "ticket", ticket),
        Case("a ticket that one signed twice", "2.4", "ticket", ticket | {"ticket": twice}, "ticket.threshold"),
        Case("a ticket that is none", "2.4", "ticket", ticket | {"ticket": cbor.dumps([1, 2])}, "ticket.malformed"),
        Case("a threshold of zero", "2.4", "ticket", ticket | {"threshold": 0}, "ticket.committee"),
        Case("a request for a key", "8.2", "request", asking),
        Case("signed by another key", "8.2", "request",
             asking | {"signer": GATEKEEPERS[0].address}, "release.not_the_worker"),
        Case("with another network's ticket", "8.2", "request",
             asking | {"request": foreign}, "release.foreign_ticket"),
        Case("a request that is none", "8.2", "request", asking | {"request": b"\x80"}, "release.malformed"),
        Case("a released part", "8.2", "response", answer),
        Case("the answer to another request", "8.2", "response",
             answer | {"request": encode_request(other)}, "release.foreign_response"),
        Case("signed by another gatekeeper", "8.2", "response",
             answer | {"gatekeeper": GATEKEEPERS[1].address}, "release.not_the_gatekeeper"),
        Case("sealed to another key", "8.2", "response",
             answer | {"answer_secret": SEALING.secret}, "hpke.open"),
        Case("a response that is none", "8.2", "response", answer | {"response": b"\x80"}, "release.malformed"),
    ]


def _ticket_rest() -> tuple[Digest, int, Digest, bool]:
    return TICKET.nonce, TICKET.block_number, TICKET.block_hash, TICKET.insecure


def _respond(request: KeyRequest, index: int) -> KeyResponse:
    """A gatekeeper's answer with a named ephemeral key."""
    part = sign_partial(SHARES[index], request.identity).signature
    info = request.identity.context(Label.SEALED_PARTIAL, request.digest, bytes((index,)))
    sealed = world.hpke_seal(part, request.answer_key, info, "partial")
    context = Label.RELEASE_REQUEST.context(b"", b"response", request.digest, bytes((index,)), sealed)
    return KeyResponse(request.digest, index, sealed, GATEKEEPERS[index - 1].sign(keccak256(context)))


PAD = make_pad(
    world.NETWORK_ID,
    GATEKEEPERS[0].address,
    7,
    1,
    2,
    (GATEKEEPERS[1].address, GATEKEEPERS[2].address),
    keccak256(b"seed of the pad"),
    insecure=True,
)
MEMORY = SealingKey(keccak256(b"memory key of gatekeeper 2"))


def _pad_record(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": _record(given).digest}


def _record(given: Mapping[str, Any]) -> PadRecord:
    numbers = given["number"], given["period"], given["threshold"]
    ids = NetworkId(raw(given["network"])), Address(raw(given["giver"]))
    holders = tuple(Address(raw(holder)) for holder in given["holders"])
    return PadRecord(*ids, *numbers, holders, Digest(raw(given["check"])), given["insecure"])


def _pieces(given: Mapping[str, Any]) -> dict[str, Any]:
    record = _record(given["record"])
    pieces = {index: verify_piece(record, b"peer", index, raw(piece)) for index, piece in given["pieces"]}
    return {"pad": combine_pieces(record, pieces, record.threshold).to_bytes()}


def _pad_offer(given: Mapping[str, Any]) -> dict[str, Any]:
    offer = decode_offer(raw(given["offer"]))
    assert encode_offer(offer) == raw(given["offer"])
    return {"piece": open_offer(offer, Address(raw(given["holder"])), SealingKey(raw(given["memory_secret"])))}


def _pad_return(given: Mapping[str, Any]) -> dict[str, Any]:
    answer = decode_return(raw(given["answer"]))
    assert encode_return(answer) == raw(given["answer"])
    value = open_return(_record(given["record"]), answer, SealingKey(raw(given["memory_secret"])))
    return {"newest": answer.newest, "value": value.to_bytes()}


def _pad_receipt(given: Mapping[str, Any]) -> dict[str, Any]:
    receipt = decode_receipt(raw(given["receipt"]))
    verify_receipt(_record(given["record"]), receipt)
    return {"index": receipt.index}


def _confirmation(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"confirmed": is_confirmed(_record(given["record"]), raw(given["confirmation"]))}


def _custodian(given: Mapping[str, Any]) -> dict[str, Any]:
    key = SealingKey(raw(given["custodian_secret"]))
    return {"piece": open_custodian_piece(_record(given["record"]), given["index"], raw(given["sealed"]), key)}


def _pad_cases() -> list[Case]:
    record, holder = PAD.record, GATEKEEPERS[1].address
    given = {name: getattr(record, name) for name in _RECORD} | {"holders": list(record.holders)}
    digest, both = record.digest, [[at, PAD.piece(at, GATEKEEPERS[0])] for at in (1, 2)]

    def info(way: bytes, key: bytes) -> bytes:
        return Label.SEALED_PIECE.context(record.network, way, digest, b"\x01", key, insecure=True)

    def said(*parts: bytes) -> Digest:
        return keccak256(Label.PAD_PIECE.context(record.network, parts[0], digest, *parts[1:], insecure=True))

    base, piece = keccak256(b"an earlier pad"), both[0][1]
    sealed = world.hpke_seal(piece, MEMORY.public_key, info(b"offer", MEMORY.public_key), "offer")
    offer = [record.to_plain(), base, 1, sealed, GATEKEEPERS[0].sign(said(b"offer", base, b"\x01", sealed))]
    offered = {"offer": cbor.dumps(offer), "holder": holder, "memory_secret": MEMORY.secret}
    back = world.hpke_seal(piece, MEMORY.public_key, info(b"return", MEMORY.public_key), "return")
    signed = GATEKEEPERS[1].sign(said(b"return", b"\x01", (8).to_bytes(8, "big"), back))
    answer = {"record": given, "answer": cbor.dumps([digest, 1, 8, back, signed]), "memory_secret": MEMORY.secret}
    kept = GATEKEEPERS[1].sign(said(b"kept", b"\x01", MEMORY.public_key))
    receipt = {"record": given, "receipt": cbor.dumps([digest, 1, MEMORY.public_key, kept])}
    word = digest + GATEKEEPERS[0].sign(said(b"confirmed"))
    value = PAD.piece(1, GATEKEEPERS[0])[:32]
    own = value + GATEKEEPERS[0].sign(said(b"piece", b"custodian", b"\x01", value))
    beside = world.hpke_seal(own, SEALING.public_key, info(b"custodian", SEALING.public_key), "custodian")
    custodian = {"record": given, "index": 1, "sealed": beside, "custodian_secret": SEALING.secret}
    wrong = [[1, altered(both[0][1])], both[1]]
    return [
        Case("the record of a pad", "9.5", "pad_record", given),
        Case("a pad for whom it wraps", "9.5", "pad_record", given | {"holders": [record.giver]}, "pad.terms"),
        Case("a pad from its pieces", "9.5", "pieces", {"record": given, "pieces": both}),
        Case("a wrong piece", "9.5", "pieces", {"record": given, "pieces": wrong}, "pad.wrong_piece"),
        Case("one piece of two", "9.5", "pieces", {"record": given, "pieces": both[:1]}, "custody.too_few"),
        Case("a piece on its way", "9.5", "pad_offer", offered),
        Case("for another holder", "9.5", "pad_offer", offered | {"holder": GATEKEEPERS[2].address}, "pad.stranger"),
        Case("to another memory", "9.5", "pad_offer", offered | {"memory_secret": bytes(32)}, "hpke.open"),
        Case("a piece on its way back", "9.5", "pad_return", answer),
        Case("back to another memory", "9.5", "pad_return", answer | {"memory_secret": bytes(32)}, "hpke.open"),
        Case("a receipt", "9.5", "pad_receipt", receipt),
        Case("a receipt for another pad", "9.5", "pad_receipt",
             receipt | {"record": given | {"number": 8}}, "pad.receipt"),
        Case("an earlier pad is needed no more", "9.5", "confirmation", {"record": given, "confirmation": word}),
        Case("half a confirmation", "9.5", "confirmation",
             {"record": given, "confirmation": word[:64]}, "pad.malformed"),
        Case("a custodian's piece", "9.5", "custodian", custodian),
        Case("another custodian's key", "9.5", "custodian", custodian | {"custodian_secret": bytes(32)}, "hpke.open"),
    ]


_RECORD = ("network", "giver", "number", "period", "threshold", "check", "insecure")


def _rest_cases() -> list[Case]:
    salt, seal_key = keccak256(b"salt of the share"), keccak256(b"seal key of the platform")
    committee = cbor.dumps([2, COMMITTEE.group, [[index, key] for index, key in COMMITTEE.shares]])
    secrets = [GATEKEEPERS[0].secret, keccak256(b"sealing key of gatekeeper 1")]
    share, ceremony = [1, SHARES[1].secret.to_bytes(), committee], [2, [key.address for key in GATEKEEPERS], bytes(32)]
    pad = PAD.secret.to_bytes()
    outside = SivKey(hkdf_derive(seal_key, Label.SEALED_SHARE.context(b""), 32, salt))
    context = Label.SEALED_SHARE.context(b"", b"inner", PAD.record.digest)
    inside = SivKey(hkdf_derive(seal_key + pad, context, 32, salt))

    def at_rest(*parts: Any, kept: bytes = b"") -> bytes:
        outer = cbor.dumps([world.NETWORK_ID, *secrets, 1, [PAD.record.to_plain(), kept]])
        inner = inside.seal(bytes(12), cbor.dumps([*parts, []]), b"")
        return cbor.dumps([salt, outside.seal(bytes(12), outer, b""), inner, []])

    bare = outside.seal(bytes(12), cbor.dumps([world.NETWORK_ID, *secrets, 0, []]), b"")
    blob = at_rest(share, [])
    rest = {"blob": blob, "seal_key": seal_key, "pad": pad}
    return [
        Case("a share at rest", "9.5", "share_at_rest", rest),
        Case("a key ceremony at rest", "9.5", "share_at_rest", rest | {"blob": at_rest([], ceremony)}),
        Case("development custody", "9.5", "share_at_rest", rest | {"blob": at_rest(share, [], kept=pad), "pad": None}),
        Case("keys alone", "9.5", "share_at_rest",
             rest | {"blob": cbor.dumps([salt, bare, b"", []]), "pad": None}),
        Case("without the pad", "9.5", "share_at_rest", rest | {"pad": None}, "share.wrapped"),
        Case("under another pad", "9.5", "share_at_rest", rest | {"pad": bytes(31) + b"\x01"}, "share.wrapped"),
        Case("on another platform", "9.5", "share_at_rest", rest | {"seal_key": bytes(32)}, "share.foreign"),
        Case("an altered share", "9.5", "share_at_rest", rest | {"blob": altered(blob, 60)}, "share.foreign"),
        Case("a share of another shape", "9.5", "share_at_rest",
             rest | {"blob": cbor.dumps([salt])}, "share.malformed"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "identity": _message,
        "share": _share,
        "partial": _partial,
        "combine": _combine,
        "tree": _tree,
        "application_key": _application_key,
        "random": _random,
        "ticket": _ticket,
        "request": _request,
        "response": _response,
        "share_at_rest": _at_rest,
        "pad_record": _pad_record,
        "pieces": _pieces,
        "pad_offer": _pad_offer,
        "pad_return": _pad_return,
        "pad_receipt": _pad_receipt,
        "confirmation": _confirmation,
        "custodian": _custodian,
    }
    cases = [*_tree_cases(), *_release_cases(), *_pad_cases(), *_rest_cases()]
    return Subject("keys", "docs/specification/keys.md", checks, cases)
