"""Queries: sealed, answered, bound to a block that the client knows (PROTOCOL 2.3)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import cbor
from coprocessor.crypto import hpke
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.labels import Label
from coprocessor.protocol.queries import (
    MAX_QUERY,
    Query,
    QueryReply,
    open_query,
    open_reply,
    seal_query,
    seal_reply,
)
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import ZERO_ADDRESS, NetworkId, ProgramId, StateRoot, WorkerId
from tests.protocol.samples import AUTHOR, CLUSTER, INPUT_KEY, NETWORK, PROGRAM

QUERY = Query(keccak256(b"tally")[:4], b"\x80", 100, keccak256(b"block"), b"\x07" * 32)
DIGEST = QUERY.digest(NETWORK, PROGRAM)
REPLY = QueryReply(
    network=NETWORK,
    cluster=CLUSTER,
    program=PROGRAM,
    query_digest=DIGEST,
    block_number=100,
    block_hash=QUERY.block_hash,
    executed_links=5,
    executed_block=99,
    state_root=StateRoot(keccak256(b"root")),
    worker=WorkerId(keccak256(b"worker")),
    epoch=1,
    status=0,
    fuel=1234,
    sealed_result=seal_reply(b"result", QUERY, NETWORK, DIGEST),
).signed(AUTHOR)


def _seal(plain: Any, network: NetworkId = NETWORK, program: ProgramId = PROGRAM, epoch: int = 1) -> bytes:
    info = Label.SEALED_QUERY.context(network, program, epoch.to_bytes(8, "big"))
    return hpke.seal(cbor.dumps(plain), INPUT_KEY.public_key, info)


def _plain(query: Query = QUERY) -> list[Any]:
    return [getattr(query, field.name) for field in fields(query)]


@given(
    st.builds(
        Query,
        st.binary(min_size=4, max_size=4),
        st.binary(max_size=100),
        st.integers(0, 2**64 - 1),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=32, max_size=32),
    )
)
def test_round_trip(query: Query) -> None:
    sealed = seal_query(query, NETWORK, PROGRAM, 1, INPUT_KEY.public_key)
    assert open_query(sealed, NETWORK, PROGRAM, 1, INPUT_KEY) == query


def test_callers_sign_or_stay_anonymous() -> None:
    assert QUERY.caller(NETWORK, PROGRAM) == ZERO_ADDRESS
    signed = replace(QUERY, caller_signature=AUTHOR.sign(DIGEST))
    assert signed.caller(NETWORK, PROGRAM) == AUTHOR.address
    assert signed.caller(NETWORK, ProgramId(bytes(32))) != AUTHOR.address
    assert replace(signed, block_number=101).caller(NETWORK, PROGRAM) != AUTHOR.address
    sealed = seal_query(signed, NETWORK, PROGRAM, 1, INPUT_KEY.public_key)
    assert open_query(sealed, NETWORK, PROGRAM, 1, INPUT_KEY) == signed


@pytest.mark.parametrize("name", [field.name for field in fields(Query) if field.name != "caller_signature"])
def test_every_field_of_a_query_is_signed(name: str) -> None:
    old: Any = getattr(QUERY, name)
    changed = replace(QUERY, **{name: old + 1 if isinstance(old, int) else bytes(len(old))})
    assert changed.digest(NETWORK, PROGRAM) != DIGEST


@pytest.mark.parametrize(
    "place",
    [
        (NetworkId(bytes(32)), PROGRAM, 1),
        (NETWORK, ProgramId(bytes(32)), 1),
        (NETWORK, PROGRAM, 2),
    ],
)
def test_a_query_opens_only_where_it_was_sent(place: tuple[NetworkId, ProgramId, int]) -> None:
    sealed = seal_query(QUERY, NETWORK, PROGRAM, 1, INPUT_KEY.public_key)
    with pytest.raises(EvidenceRefused):
        open_query(sealed, *place, INPUT_KEY)


REFUSED = {
    "no list": {},
    "field missing": _plain()[:-1],
    "field extra": [*_plain(), 0],
    "bool as number": _plain(replace(QUERY, block_number=True)),
    "negative block": _plain(replace(QUERY, block_number=-1)),
    "text as method": ["tall", *_plain()[1:]],
    "short method": _plain(replace(QUERY, method=b"abc")),
    "long block hash": _plain(replace(QUERY, block_hash=QUERY.block_hash + b"\0")),  # type: ignore[arg-type]
    "short reply secret": _plain(replace(QUERY, reply_secret=bytes(31))),
    "short signature": _plain(replace(QUERY, caller_signature=bytes(64))),
}


@pytest.mark.parametrize("plain", REFUSED.values(), ids=list(REFUSED))
def test_other_shapes_are_refused(plain: Any) -> None:
    with pytest.raises(MalformedInput):
        open_query(_seal(plain), NETWORK, PROGRAM, 1, INPUT_KEY)


def test_queries_have_a_maximum() -> None:
    sealed = seal_query(replace(QUERY, arguments=bytes(MAX_QUERY)), NETWORK, PROGRAM, 1, INPUT_KEY.public_key)
    with pytest.raises(MalformedInput):
        open_query(sealed, NETWORK, PROGRAM, 1, INPUT_KEY)


# ----- replies


def test_a_reply_is_signed_by_the_worker() -> None:
    assert REPLY.signer() == AUTHOR.address
    assert QueryReply.decode(REPLY.encode()) == REPLY
    assert open_reply(REPLY.sealed_result, QUERY.reply_secret, NETWORK, DIGEST) == b"result"


@pytest.mark.parametrize("name", [field.name for field in fields(REPLY) if field.name != "signature"])
def test_every_field_of_a_reply_is_signed(name: str) -> None:
    old: Any = getattr(REPLY, name)
    changed = replace(REPLY, **{name: old + 1 if isinstance(old, int) else keccak256(old)})
    assert changed.signer() != AUTHOR.address


def test_a_result_opens_only_for_its_query() -> None:
    for secret, network, digest in (
        (bytes(32), NETWORK, DIGEST),
        (QUERY.reply_secret, NetworkId(bytes(32)), DIGEST),
        (QUERY.reply_secret, NETWORK, keccak256(b"other")),
    ):
        with pytest.raises(EvidenceRefused):
            open_reply(REPLY.sealed_result, secret, network, digest)


@given(st.data())
def test_altered_results_are_refused(data: st.DataObject) -> None:
    changed = bytearray(REPLY.sealed_result)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(EvidenceRefused):
        open_reply(bytes(changed), QUERY.reply_secret, NETWORK, DIGEST)
    with pytest.raises(EvidenceRefused):
        open_reply(bytes(changed[: data.draw(st.integers(0, 27))]), QUERY.reply_secret, NETWORK, DIGEST)


@given(st.data())
def test_altered_replies_are_refused_or_signed_by_another(data: st.DataObject) -> None:
    changed = bytearray(REPLY.encode())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        signer = QueryReply.decode(bytes(changed)).signer()
    except (MalformedInput, EvidenceRefused):
        return
    assert signer != AUTHOR.address


@pytest.mark.parametrize(
    "plain",
    [
        {},
        [],
        [*cbor.loads(REPLY.encode()), 0],
        [b"short", *cbor.loads(REPLY.encode())[1:]],
        ["text", *cbor.loads(REPLY.encode())[1:]],
        [*cbor.loads(REPLY.encode())[:4], -1, *cbor.loads(REPLY.encode())[5:]],
        [*cbor.loads(REPLY.encode())[:4], True, *cbor.loads(REPLY.encode())[5:]],
    ],
)
def test_other_shapes_of_replies_are_refused(plain: Any) -> None:
    with pytest.raises(MalformedInput):
        QueryReply.decode(cbor.dumps(plain))
