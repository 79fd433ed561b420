"""Call frames and result buffers: one encoding each, refused otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.sandbox.abi import CallFrame, CallResult, Event, FrameKind, ResultStatus, compute_selector
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import Address, ProgramId, RequestId
from coprocessor.values.limits import MAX_ARGUMENT_BYTES, MAX_EVENTS, MAX_MESSAGE_BYTES, MAX_OUTPUT_BYTES

frames = st.builds(
    CallFrame,
    kind=st.sampled_from(FrameKind),
    selector=st.binary(min_size=4, max_size=4),
    caller=st.binary(min_size=20, max_size=20).map(Address),
    program=st.binary(min_size=32, max_size=32).map(ProgramId),
    origin=st.binary(min_size=20, max_size=20).map(Address),
    request_id=st.binary(min_size=32, max_size=32).map(RequestId),
    block_number=st.integers(0, 2**64 - 1),
    timestamp=st.integers(0, 2**64 - 1),
    link=st.integers(0, 2**64 - 1),
    position=st.integers(0, 2**32 - 1),
    chain_id=st.integers(0, 2**64 - 1),
    arguments=st.binary(max_size=200),
)
names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
events = st.builds(Event, names, st.binary(max_size=40))
results = st.one_of(
    st.builds(CallResult, st.just(ResultStatus.OK), st.binary(max_size=100), st.lists(events, max_size=4).map(tuple)),
    st.builds(
        CallResult,
        st.sampled_from([ResultStatus.REVERTED, ResultStatus.UNKNOWN_METHOD, ResultStatus.BAD_ARGUMENTS]),
        st.text(max_size=50).map(str.encode),
    ),
)


@given(frames)
def test_frame_round_trip(frame: CallFrame) -> None:
    encoded = frame.encode()
    assert CallFrame.decode(encoded) == frame
    with pytest.raises(MalformedInput):
        CallFrame.decode(encoded + b"\0")
    with pytest.raises(MalformedInput):
        CallFrame.decode(encoded[:-1])


@given(results)
def test_result_round_trip(result: CallResult) -> None:
    encoded = result.encode()
    assert CallResult.decode(encoded) == result
    with pytest.raises(MalformedInput):
        CallResult.decode(encoded + b"\0")
    for end in range(len(encoded)):
        with pytest.raises(MalformedInput):
            CallResult.decode(encoded[:end])


@given(st.binary(max_size=60))
def test_random_bytes_decode_to_themselves_or_not_at_all(data: bytes) -> None:
    for decoder in (CallFrame, CallResult):
        try:
            assert decoder.decode(data).encode() == data
        except MalformedInput:
            continue


def test_frame_layout() -> None:
    frame = CallFrame(FrameKind.QUERY, b"\1\2\3\4", block_number=5, timestamp=6, link=7, position=8, arguments=b"ab")
    assert frame.encode() == (
        b"\x01\x03\x01\x02\x03\x04"
        + bytes(104)
        + (5).to_bytes(8, "little")
        + (6).to_bytes(8, "little")
        + (7).to_bytes(8, "little")
        + (8).to_bytes(4, "little")
        + bytes(8)
        + b"\x02\0\0\0ab"
    )


def test_frame_refuses_other_versions_and_kinds() -> None:
    encoded = CallFrame(FrameKind.QUERY, bytes(4)).encode()
    for position, value in ((0, 2), (1, 6)):
        changed = bytearray(encoded)
        changed[position] = value
        with pytest.raises(MalformedInput):
            CallFrame.decode(bytes(changed))


def test_frame_checks_its_fields() -> None:
    with pytest.raises(CallerMisuse):
        CallFrame(FrameKind.QUERY, b"\1")
    with pytest.raises(CallerMisuse):
        CallFrame(FrameKind.QUERY, bytes(4), link=-1)
    with pytest.raises(CallerMisuse):
        CallFrame(FrameKind.QUERY, bytes(4), position=2**32)
    with pytest.raises(CallerMisuse):
        CallFrame(FrameKind.QUERY, bytes(4), arguments=bytes(MAX_ARGUMENT_BYTES + 1))
    assert CallFrame(FrameKind.LOAD, bytes(4), arguments=bytes(MAX_ARGUMENT_BYTES + 1)).encode()


def test_result_limits() -> None:
    many = CallResult(ResultStatus.OK, b"", (Event("e", b""),) * (MAX_EVENTS + 1))
    long_message = CallResult(ResultStatus.REVERTED, b"x" * (MAX_MESSAGE_BYTES + 1))
    large = CallResult(ResultStatus.OK, bytes(MAX_OUTPUT_BYTES))
    for result in (many, long_message, large):
        with pytest.raises(MalformedInput):
            CallResult.decode(result.encode())


def test_selectors() -> None:
    assert compute_selector("transfer(address,uint256)").hex() == "a9059cbb"
    with pytest.raises(CallerMisuse):
        compute_selector("müssen")
