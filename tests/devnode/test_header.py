"""Block headers in their two forms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec import rlp
from coprocessor.devnode.header import BlockHeader
from coprocessor.values.errors import MalformedInput

_digests = st.binary(min_size=32, max_size=32)
_integers = st.integers(0, 2**64 - 1)


@st.composite
def headers(draw: st.DrawFn) -> BlockHeader:
    fields: dict[str, Any] = {
        name: draw(_digests)
        for name in ("parent_hash", "state_root", "transactions_root", "receipts_root", "prev_randao", "uncles_hash")
    }
    for name in ("number", "timestamp", "gas_limit", "gas_used", "difficulty"):
        fields[name] = draw(_integers)
    newer = {
        "base_fee_per_gas": _integers,
        "withdrawals_root": _digests,
        "blob_gas_used": _integers,
        "excess_blob_gas": _integers,
        "parent_beacon_block_root": _digests,
        "requests_hash": _digests,
    }
    known = draw(st.sampled_from([0, 1, 2, 5, 6]))
    for i, (name, values) in enumerate(newer.items()):
        fields[name] = draw(values) if i < known else None
    return BlockHeader(
        coinbase=draw(st.binary(min_size=20, max_size=20)),  # type: ignore[arg-type]
        logs_bloom=draw(st.binary(min_size=256, max_size=256)),
        extra_data=draw(st.binary(max_size=32)),
        nonce=draw(st.binary(min_size=8, max_size=8)),
        **fields,
    )


@given(headers())
def test_both_forms_are_faithful(header: BlockHeader) -> None:
    assert BlockHeader.decode(header.encode()) == header
    assert BlockHeader.from_rpc(header.to_rpc()) == header


def test_a_mainnet_genesis_header_has_its_known_hash() -> None:
    # Public figures of Ethereum mainnet's block 0.
    header = BlockHeader(
        parent_hash=bytes(32),  # type: ignore[arg-type]
        coinbase=bytes(20),  # type: ignore[arg-type]
        state_root=bytes.fromhex("d7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544"),  # type: ignore[arg-type]
        number=0,
        timestamp=0,
        gas_limit=5000,
        difficulty=17_179_869_184,
        extra_data=bytes.fromhex("11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa"),
        nonce=(66).to_bytes(8, "big"),
        base_fee_per_gas=None,
        withdrawals_root=None,
        blob_gas_used=None,
        excess_blob_gas=None,
        parent_beacon_block_root=None,
        requests_hash=None,
    )
    assert header.compute_hash().hex() == "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        rlp.encode([]),
        rlp.encode([b""] * 14),
        rlp.encode([b""] * 22),
        rlp.encode([b"\x01" * 31] + [b""] * 20),
        rlp.encode([[b"\x01" * 32]] + [b""] * 20),
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        BlockHeader.decode(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [("parentHash", "0x00"), ("number", "seven"), ("number", None), ("logsBloom", "0x"), ("stateRoot", 7)],
)
def test_other_blocks_are_refused(name: str, value: Any) -> None:
    block = BlockHeader(
        parent_hash=bytes(32),  # type: ignore[arg-type]
        coinbase=bytes(20),  # type: ignore[arg-type]
        state_root=bytes(32),  # type: ignore[arg-type]
        number=1,
        timestamp=1,
        gas_limit=1,
    ).to_rpc()
    with pytest.raises(MalformedInput):
        BlockHeader.from_rpc({**block, name: value})
