"""EIP-712 digests against eth_account, for any flat struct."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address
from tests.support.typed_data import typed_data_digest

MEMBERS = {
    "address": st.binary(min_size=20, max_size=20),
    "bytes": st.binary(max_size=80),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes4": st.binary(min_size=4, max_size=4),
    "bool": st.booleans(),
    "uint8": st.integers(0, 2**8 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "uint256": st.integers(0, 2**256 - 1),
    "int128": st.integers(-(2**127), 2**127 - 1),
}


@st.composite
def structs(draw: st.DrawFn) -> tuple[StructType, list[Any]]:
    """A struct type with values for its members."""
    kinds = draw(st.lists(st.sampled_from(sorted(MEMBERS)), min_size=1, max_size=8))
    members = tuple((kind, f"field{index}") for index, kind in enumerate(kinds))
    return StructType("Statement", members), [draw(MEMBERS[kind]) for kind in kinds]


@given(structs(), st.integers(1, 2**64), st.binary(min_size=20, max_size=20))
def test_digest_agrees_with_eth_account(case: tuple[StructType, list[Any]], chain_id: int, contract: bytes) -> None:
    struct, values = case
    domain = Domain(chain_id, Address(contract))
    assert struct.digest(domain, *values) == typed_data_digest(
        struct.name, list(struct.members), values, chain_id, contract
    )


def test_eth_account_recovers_our_signature() -> None:
    key = PrivateKey(b"\x07" * 32)
    struct = StructType("Statement", (("uint256", "number"),))
    domain = Domain(1, Address(b"\x11" * 20))
    signature = key.sign(struct.digest(domain, 5))
    recovered = Account._recover_hash(struct.digest(domain, 5), signature=signature)
    assert recovered.lower() == "0x" + key.address.hex()


def test_chain_contract_name_and_member_names_separate_digests() -> None:
    struct = StructType("Statement", (("uint256", "number"),))
    domain = Domain(1, Address(bytes(20)))
    digests = {
        struct.digest(domain, 5),
        struct.digest(domain, 6),
        struct.digest(Domain(2, Address(bytes(20))), 5),
        struct.digest(Domain(1, Address(b"\1" * 20)), 5),
        StructType("Other", struct.members).digest(domain, 5),
        StructType("Statement", (("uint256", "count"),)).digest(domain, 5),
        StructType("Statement", (("uint64", "number"),)).digest(domain, 5),
    }
    assert len(digests) == 7


def test_values_must_fit_their_members() -> None:
    struct = StructType("Statement", (("uint8", "number"),))
    with pytest.raises(CallerMisuse):
        struct.digest(Domain(1, Address(bytes(20))), 256)
    with pytest.raises(ValueError, match="shorter"):
        struct.digest(Domain(1, Address(bytes(20))))
