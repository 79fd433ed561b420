"""Signed transactions: strict decoding, sender recovery, intrinsic gas, JSON-RPC form.

Types 0 (legacy, with or without EIP-155), 1 (EIP-2930), 2 (EIP-1559) and 4 (EIP-7702). Blob transactions (type 3) are
refused: the node keeps no blobs.

**Source:** Yellow Paper section 4.3; EIP-155, EIP-2718, EIP-2930, EIP-1559, EIP-7702, EIP-3860, EIP-7623.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coprocessor.codec import rlp
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import ZERO_DIGEST, Address, Digest, to_hex

__all__ = [
    "MAX_TRANSACTION_BYTES",
    "Authorization",
    "Transaction",
    "decode_transaction",
    "sign_dynamic_fee_transaction",
]

MAX_TRANSACTION_BYTES: Final = 131_072
"""Largest encoded transaction that nodes relay: 128 KiB."""

_LEGACY, _ACCESS_LIST, _DYNAMIC_FEE, _BLOB, _SET_CODE = range(5)
_TYPED_FIELDS: Final = {_ACCESS_LIST: 11, _DYNAMIC_FEE: 12, _SET_CODE: 13}
_UINT64 = 2**64
_UINT256 = 2**256

_GAS_TRANSACTION = 21_000
_GAS_CREATE = 32_000
_GAS_INIT_CODE_WORD = 2
_GAS_ACCESS_LIST_ADDRESS = 2_400
_GAS_ACCESS_LIST_SLOT = 1_900
_GAS_AUTHORIZATION = 25_000
_GAS_TOKEN = 4
_GAS_TOKEN_FLOOR = 10


@dataclass(frozen=True, slots=True)
class Authorization:
    """One entry of an EIP-7702 authorization list."""

    chain_id: int
    address: Address
    nonce: int
    y_parity: int
    r: int
    s: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction with its sender, in one shape for all types.

    A legacy gas price stands in both fee fields. ``to`` is empty for a contract creation. ``chain_id`` is None for a
    legacy transaction without replay protection. The attribute names are those that py-evm's executor reads.
    """

    type_id: int
    chain_id: int | None
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas: int
    to: bytes
    value: int
    data: bytes
    sender: Address
    access_list: tuple[tuple[Address, tuple[int, ...]], ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    v: int = 0
    r: int = 0
    s: int = 0
    raw: bytes = b""
    hash: Digest = ZERO_DIGEST

    @property
    def intrinsic_gas(self) -> int:
        """Gas taken before execution, without the init-code words that py-evm takes inside."""
        gas = _GAS_TRANSACTION + _GAS_TOKEN * self._data_tokens
        if not self.to:
            gas += _GAS_CREATE
        for _, slots in self.access_list:
            gas += _GAS_ACCESS_LIST_ADDRESS + _GAS_ACCESS_LIST_SLOT * len(slots)
        return gas + _GAS_AUTHORIZATION * len(self.authorization_list)

    @property
    def floor_gas(self) -> int:
        """Least gas that this calldata costs (EIP-7623)."""
        return _GAS_TRANSACTION + _GAS_TOKEN_FLOOR * self._data_tokens

    @property
    def minimum_gas(self) -> int:
        """The gas limit below which the transaction is invalid."""
        init_code_words = (len(self.data) + 31) // 32 if not self.to else 0
        return max(self.intrinsic_gas + _GAS_INIT_CODE_WORD * init_code_words, self.floor_gas)

    @property
    def maximum_cost(self) -> int:
        """Wei that the sender must own."""
        return self.gas * self.max_fee_per_gas + self.value

    @property
    def _data_tokens(self) -> int:
        return 4 * len(self.data) - 3 * self.data.count(0)

    def effective_gas_price(self, base_fee: int) -> int:
        """Wei per gas paid in a block with that base fee."""
        return min(self.max_fee_per_gas, self.max_priority_fee_per_gas + base_fee)

    def effective_tip(self, base_fee: int) -> int:
        """Wei per gas that reach the fee recipient; negative where the block is too dear."""
        return min(self.max_fee_per_gas - base_fee, self.max_priority_fee_per_gas)

    def contract_address(self) -> Address | None:
        """The address that this transaction creates, or None."""
        if self.to:
            return None
        return Address(keccak256(rlp.encode([self.sender, rlp.encode_integer(self.nonce)]))[12:])

    def to_rpc(self, base_fee: int | None) -> dict[str, Any]:
        """The JSON-RPC object, without the fields that tell its block."""
        fields: dict[str, Any] = {
            "hash": to_hex(self.hash),
            "type": hex(self.type_id),
            "nonce": hex(self.nonce),
            "from": to_hex(self.sender),
            "to": to_hex(self.to) if self.to else None,
            "value": hex(self.value),
            "gas": hex(self.gas),
            "input": to_hex(self.data),
            "v": hex(self.v),
            "r": hex(self.r),
            "s": hex(self.s),
        }
        if self.chain_id is not None:
            fields["chainId"] = hex(self.chain_id)
        price = self.max_fee_per_gas if base_fee is None else self.effective_gas_price(base_fee)
        fields["gasPrice"] = hex(price)
        if self.type_id == _LEGACY:
            return fields
        fields["yParity"] = hex(self.v)
        fields["accessList"] = [
            {"address": to_hex(address), "storageKeys": [f"0x{slot:064x}" for slot in slots]}
            for address, slots in self.access_list
        ]
        if self.type_id != _ACCESS_LIST:
            fields["maxFeePerGas"] = hex(self.max_fee_per_gas)
            fields["maxPriorityFeePerGas"] = hex(self.max_priority_fee_per_gas)
        if self.type_id == _SET_CODE:
            fields["authorizationList"] = [
                {
                    "chainId": hex(entry.chain_id),
                    "address": to_hex(entry.address),
                    "nonce": hex(entry.nonce),
                    "yParity": hex(entry.y_parity),
                    "r": hex(entry.r),
                    "s": hex(entry.s),
                }
                for entry in self.authorization_list
            ]
        return fields


def decode_transaction(raw: bytes, sender: Address | None = None) -> Transaction:
    """The transaction that ``raw`` encodes.

    Args:
        raw: the signed bytes as ``eth_sendRawTransaction`` takes them.
        sender: the sender if it is known already (from the node's own database); otherwise it is recovered.

    Raises:
        MalformedInput: too large, an unknown type, not canonical, a value out of range, or no valid signature.
    """
    if len(raw) > MAX_TRANSACTION_BYTES:
        raise _malformed(f"oversized data: transaction size {len(raw)}, limit {MAX_TRANSACTION_BYTES}")
    if not raw:
        raise _malformed("the transaction is empty")
    if raw[0] >= 0xC0:
        return _decode_legacy(raw, sender)
    if raw[0] == _BLOB:
        raise _malformed("blob transactions (type 3) are not supported by this node")
    if raw[0] not in _TYPED_FIELDS:
        raise _malformed(f"transaction type {raw[0]} not supported")
    return _decode_typed(raw, sender)


def sign_dynamic_fee_transaction(
    key: PrivateKey,
    *,
    chain_id: int,
    nonce: int,
    max_priority_fee_per_gas: int,
    max_fee_per_gas: int,
    gas: int,
    to: bytes,
    value: int,
    data: bytes,
) -> bytes:
    """The signed bytes of a type 2 transaction."""
    numbers = (chain_id, nonce, max_priority_fee_per_gas, max_fee_per_gas, gas)
    body: list[rlp.Item] = [*map(rlp.encode_integer, numbers), to, rlp.encode_integer(value), data, []]
    signature = key.sign(keccak256(bytes((_DYNAMIC_FEE,)) + rlp.encode(body)))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    body += map(rlp.encode_integer, (signature[64] - 27, r, s))
    return bytes((_DYNAMIC_FEE,)) + rlp.encode(body)


def _decode_legacy(raw: bytes, sender: Address | None) -> Transaction:
    items = _list(_decode_rlp(raw), "transaction")
    if len(items) != 9:
        raise _malformed(f"a legacy transaction has 9 fields, not {len(items)}")
    v, r, s = (_integer(item, name) for item, name in zip(items[6:], "vrs", strict=True))
    if v in (27, 28):
        chain_id, parity, suffix = None, v - 27, []
    elif v >= 35:
        chain_id, parity = (v - 35) // 2, (v - 35) % 2
        suffix = [rlp.encode_integer(chain_id), b"", b""]
    else:
        raise _malformed(f"invalid v {v} of a legacy signature")
    price = _integer(items[1], "gasPrice")
    if sender is None:
        sender = _recover(rlp.encode([*items[:6], *suffix]), parity, r, s)
    return Transaction(
        type_id=_LEGACY,
        chain_id=chain_id,
        nonce=_integer(items[0], "nonce", _UINT64),
        max_priority_fee_per_gas=price,
        max_fee_per_gas=price,
        gas=_integer(items[2], "gas", _UINT64),
        to=_recipient(items[3]),
        value=_integer(items[4], "value"),
        data=_bytes(items[5], "data"),
        sender=sender,
        v=v,
        r=r,
        s=s,
        raw=raw,
        hash=keccak256(raw),
    )


def _decode_typed(raw: bytes, sender: Address | None) -> Transaction:
    type_id = raw[0]
    items = _list(_decode_rlp(raw[1:]), "transaction")
    if len(items) != _TYPED_FIELDS[type_id]:
        raise _malformed(f"a type {type_id} transaction has {_TYPED_FIELDS[type_id]} fields, not {len(items)}")
    v, r, s = (_integer(item, name) for item, name in zip(items[-3:], "vrs", strict=True))
    if v > 1:
        raise _malformed(f"invalid y parity {v}")
    if sender is None:
        sender = _recover(raw[:1] + rlp.encode(items[:-3]), v, r, s)
    return _build_typed(items, (type_id, v, r, s), sender, raw)


def _build_typed(
    items: list[rlp.Item], kind_and_signature: tuple[int, int, int, int], sender: Address, raw: bytes
) -> Transaction:
    type_id, v, r, s = kind_and_signature
    # From the third field on, the types after EIP-2930 have one more: two fees for one gas price.
    shift = 0 if type_id == _ACCESS_LIST else 1
    priority_fee = _integer(items[2], "maxPriorityFeePerGas")
    max_fee = _integer(items[2 + shift], "maxFeePerGas")
    if priority_fee > max_fee:
        raise _malformed(f"max priority fee per gas ({priority_fee}) higher than max fee per gas ({max_fee})")
    authorizations = _authorizations(items[9]) if type_id == _SET_CODE else ()
    to = _recipient(items[4 + shift])
    if type_id == _SET_CODE and not (to and authorizations):
        raise _malformed("a set-code transaction needs a recipient and at least one authorization")
    return Transaction(
        type_id=type_id,
        chain_id=_integer(items[0], "chainId"),
        nonce=_integer(items[1], "nonce", _UINT64),
        max_priority_fee_per_gas=priority_fee,
        max_fee_per_gas=max_fee,
        gas=_integer(items[3 + shift], "gas", _UINT64),
        to=to,
        value=_integer(items[5 + shift], "value"),
        data=_bytes(items[6 + shift], "data"),
        access_list=_access_list(items[7 + shift]),
        authorization_list=authorizations,
        sender=sender,
        v=v,
        r=r,
        s=s,
        raw=raw,
        hash=keccak256(raw),
    )


def _recover(payload: bytes, parity: int, r: int, s: int) -> Address:
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((27 + parity,))
    try:
        return recover_address(keccak256(payload), signature)
    except CoprocessorError as error:
        raise MalformedInput("devnode.transaction", f"invalid transaction signature: {error.what}") from error


def _access_list(item: rlp.Item) -> tuple[tuple[Address, tuple[int, ...]], ...]:
    entries = []
    for entry in _list(item, "accessList"):
        pair = _list(entry, "accessList entry")
        if len(pair) != 2:
            raise _malformed("an access list entry has an address and a list of slots")
        slots = tuple(int.from_bytes(_fixed(slot, 32), "big") for slot in _list(pair[1], "storageKeys"))
        entries.append((Address(_fixed(pair[0], 20)), slots))
    return tuple(entries)


def _authorizations(item: rlp.Item) -> tuple[Authorization, ...]:
    entries = []
    for entry in _list(item, "authorizationList"):
        parts = _list(entry, "authorization")
        if len(parts) != 6:
            raise _malformed("an authorization has 6 fields")
        entries.append(
            Authorization(
                chain_id=_integer(parts[0], "authorization chainId"),
                address=Address(_fixed(parts[1], 20)),
                nonce=_integer(parts[2], "authorization nonce", _UINT64),
                y_parity=_integer(parts[3], "authorization yParity", 256),
                r=_integer(parts[4], "authorization r"),
                s=_integer(parts[5], "authorization s"),
            )
        )
    return tuple(entries)


def _decode_rlp(data: bytes) -> rlp.Item:
    try:
        return rlp.decode(data)
    except MalformedInput as error:
        raise MalformedInput("devnode.transaction", f"failed to decode signed transaction: {error.why}") from error


def _list(item: rlp.Item, name: str) -> list[rlp.Item]:
    if not isinstance(item, list):
        raise _malformed(f"{name} must be a list")
    return item


def _bytes(item: rlp.Item, name: str) -> bytes:
    if not isinstance(item, bytes):
        raise _malformed(f"{name} must be bytes")
    return item


def _fixed(item: rlp.Item, length: int) -> bytes:
    value = _bytes(item, f"a field of {length} bytes")
    if len(value) != length:
        raise _malformed(f"a field of {length} bytes has {len(value)}")
    return value


def _recipient(item: rlp.Item) -> bytes:
    value = _bytes(item, "to")
    return value if not value else _fixed(value, 20)


def _integer(item: rlp.Item, name: str, bound: int = _UINT256) -> int:
    value = _bytes(item, name)
    number = int.from_bytes(value, "big")
    if value[:1] == b"\0" or len(value) > 32 or number >= bound:
        raise _malformed(f"{name} is not a canonical integer in range")
    return number


def _malformed(why: str) -> MalformedInput:
    return MalformedInput("devnode.transaction", why)
