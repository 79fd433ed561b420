"""EIP-712 digests by eth_account: the oracle for our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

DOMAIN_MEMBERS = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


def typed_data_digest(
    name: str, members: Sequence[tuple[str, str]], values: Sequence[Any], chain_id: int, contract: bytes
) -> bytes:
    """What a wallet signs for one struct of this project's domain; ``members`` are (type, name)."""
    message = {
        member: "0x" + value.hex() if isinstance(value, bytes) else value
        for (_, member), value in zip(members, values, strict=True)
    }
    signable = encode_typed_data(
        full_message={
            "types": {
                "EIP712Domain": DOMAIN_MEMBERS,
                name: [{"name": member, "type": kind} for kind, member in members],
            },
            "primaryType": name,
            "domain": {
                "name": "Coprocessor",
                "version": "1",
                "chainId": chain_id,
                "verifyingContract": "0x" + contract.hex(),
            },
            "message": message,
        }
    )
    return keccak(b"\x19" + signable.version + signable.header + signable.body)
