"""EIP-1559 transactions: signing, for the hosts' own loops (people sign with web3.py).

**Source:** EIP-1559, EIP-2718.
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.values.identities import Address, Digest

__all__ = ["SignedTransaction", "Transaction"]


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """``raw`` goes to ``eth_sendRawTransaction``; ``hash`` is the transaction's hash."""

    raw: bytes
    hash: Digest


@dataclass(frozen=True, slots=True)
class Transaction:
    """A type-2 transaction without access list.

    Args:
        chain_id: of the chain.
        nonce: of the sender's account.
        gas_limit: gas.
        max_fee_per_gas: wei per gas.
        max_priority_fee_per_gas: wei per gas.
        to: 20 bytes, or None to create a contract.
        value: wei.
        data: call data or init code.
    """

    chain_id: int
    nonce: int
    gas_limit: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    to: Address | None
    value: int
    data: bytes

    def sign(self, key: PrivateKey) -> SignedTransaction:
        """The transaction with ``key``'s signature."""
        integer = rlp.encode_integer
        fields: list[rlp.Item] = [
            integer(self.chain_id),
            integer(self.nonce),
            integer(self.max_priority_fee_per_gas),
            integer(self.max_fee_per_gas),
            integer(self.gas_limit),
            self.to or b"",
            integer(self.value),
            self.data,
            [],
        ]
        signature = key.sign(keccak256(b"\x02" + rlp.encode(fields)))
        r, s, v = signature[:32], signature[32:64], signature[64] - 27
        fields += [integer(v), r.lstrip(b"\0"), s.lstrip(b"\0")]
        raw = b"\x02" + rlp.encode(fields)
        return SignedTransaction(raw, keccak256(raw))
