"""Sealed commands: what an author signs, seals and keeps (PROTOCOL 4, 6.1).

Plaintext of an item: signature 65 || method 4 || nonce 8 || deadline 5 || reply secret 16 || arguments. The author is
recovered from the signature. The HPKE ``info`` binds network, program, epoch and origin, so a copy that somebody else
submits does not open (4.1).
"""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.codec.eip712 import Domain, StructType
from coprocessor.crypto import hpke
from coprocessor.crypto.hashing import hmac_sha256, keccak256
from coprocessor.crypto.labels import Label
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import Address, Digest, NetworkId, ProgramId

__all__ = [
    "COMMAND_OVERHEAD",
    "MAX_DEADLINE_AHEAD",
    "REPLY_SECRET_LENGTH",
    "Command",
    "Destination",
    "OpenedCommand",
    "derive_reply_secret",
    "method_selector",
    "open_command",
    "seal_command",
]

MAX_DEADLINE_AHEAD = 86_400
"""Seconds that a deadline may lie ahead of its link's timestamp (PROTOCOL 4.2)."""

REPLY_SECRET_LENGTH = 16
_HEADER = 65 + 4 + 8 + 5 + REPLY_SECRET_LENGTH
COMMAND_OVERHEAD = hpke.OVERHEAD + _HEADER
"""Bytes of a sealed command beside its arguments and the group's program handle: 146 of the 150 of PROTOCOL 4.3."""

_TYPE = StructType(
    "Command",
    (
        ("bytes32", "program"),
        ("uint64", "epoch"),
        ("bytes4", "method"),
        ("bytes32", "argumentsDigest"),
        ("uint64", "nonce"),
        ("uint64", "deadline"),
        ("uint64", "fuelLimit"),
        ("uint128", "feeLimit"),
        ("bytes32", "replySecretDigest"),
    ),
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a command goes.

    Args:
        network: 32 bytes.
        chain_id: of the chain.
        inbox: 20 bytes, the contract that the signature is for.
        program: 32 bytes.
        epoch: of the input key.
        kind: ``LinkKind`` of the entry point that it will come through (submit or batch).
        origin: 20 bytes, who will call that entry point: the author for submit, the relayer for a batch.
    """

    network: NetworkId
    chain_id: int
    inbox: Address
    program: ProgramId
    epoch: int
    kind: int
    origin: Address

    def info(self, fuel_limit: int, fee_limit: int) -> bytes:
        """The HPKE info string (PROTOCOL 4.1), with the limits that stand in clear beside the item.

        Without the limits a relayer could change them: another digest would recover another author, whom nobody
        controls.
        """
        origin = bytes((self.kind,)) + self.origin
        limits = fuel_limit.to_bytes(8, "big") + fee_limit.to_bytes(16, "big")
        return Label.SEALED_COMMAND.context(self.network, self.program, self.epoch.to_bytes(8, "big"), origin, limits)


@dataclass(frozen=True, slots=True)
class Command:
    """What an author asks.

    Args:
        method: 4 bytes, ``method_selector`` of the name.
        arguments: as the program's interface encodes them.
        nonce: random, 64 bits; one command per author, program and nonce.
        deadline: seconds since 1970, at most a day ahead of the link, below 2**40.
        fuel_limit: fuel.
        fee_limit: wei.
        reply_secret: 16 bytes, opens the output (``derive_reply_secret``).
    """

    method: bytes
    arguments: bytes
    nonce: int
    deadline: int
    fuel_limit: int
    fee_limit: int
    reply_secret: bytes

    def digest(self, destination: Destination) -> Digest:
        """The EIP-712 digest that the author signs (PROTOCOL 4.2)."""
        return _TYPE.digest(
            Domain(destination.chain_id, destination.inbox),
            destination.program,
            destination.epoch,
            self.method,
            keccak256(self.arguments),
            self.nonce,
            self.deadline,
            self.fuel_limit,
            self.fee_limit,
            keccak256(self.reply_secret),
        )


@dataclass(frozen=True, slots=True)
class OpenedCommand:
    """A command with its proven author (20 bytes)."""

    author: Address
    command: Command


def method_selector(name: str) -> bytes:
    """First four bytes of Keccak-256 of the method's name."""
    return keccak256(name.encode("ascii"))[:4]


def derive_reply_secret(author: PrivateKey, network: NetworkId, program: ProgramId, nonce: int) -> bytes:
    """The 16 bytes that open one output: of the author's key and the nonce, so nothing need be kept (PROTOCOL 6.1)."""
    context = Label.REPLY_SECRET.context(network, program, nonce.to_bytes(8, "big"))
    return hmac_sha256(author.secret, context)[:REPLY_SECRET_LENGTH]


def seal_command(command: Command, destination: Destination, author: PrivateKey, input_key: bytes) -> bytes:
    """The item's bytes: ``command`` signed by ``author`` and sealed to the program's input key (32 bytes)."""
    signature = author.sign(command.digest(destination))
    plaintext = (
        signature
        + command.method
        + command.nonce.to_bytes(8, "big")
        + command.deadline.to_bytes(5, "big")
        + command.reply_secret
        + command.arguments
    )
    return hpke.seal(plaintext, input_key, destination.info(command.fuel_limit, command.fee_limit))


def open_command(
    sealed: bytes, destination: Destination, input_key: hpke.SealingKey, fuel_limit: int, fee_limit: int
) -> OpenedCommand:
    """What stands in an item, with its author.

    Args:
        sealed: the item's bytes.
        destination: rebuilt from the link, never from the item.
        input_key: the program's secret input key of the epoch.
        fuel_limit: from the clear header.
        fee_limit: from the clear header, wei.

    Raises:
        EvidenceRefused: does not open here, or the signature is bad: the item is void.
        MalformedInput: too short: the item is void.
    """
    plaintext = input_key.open(sealed, destination.info(fuel_limit, fee_limit))
    if len(plaintext) < _HEADER:
        raise MalformedInput("void.short", f"a command has at least {_HEADER} bytes, not {len(plaintext)}")
    signature, at = plaintext[:65], 65
    command = Command(
        method=plaintext[at : at + 4],
        nonce=int.from_bytes(plaintext[at + 4 : at + 12], "big"),
        deadline=int.from_bytes(plaintext[at + 12 : at + 17], "big"),
        reply_secret=plaintext[at + 17 : at + 17 + REPLY_SECRET_LENGTH],
        arguments=plaintext[_HEADER:],
        fuel_limit=fuel_limit,
        fee_limit=fee_limit,
    )
    author = recover_address(command.digest(destination), signature)
    if destination.kind == 1 and author != destination.origin:
        raise EvidenceRefused("void.origin", "a direct submission is signed by somebody else than its sender")
    return OpenedCommand(author, command)
