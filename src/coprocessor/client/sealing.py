"""Sealing commands: what an author does alone, before anybody else sees anything (PROTOCOL 4)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from coprocessor.client.arguments import check_fields
from coprocessor.client.programs import InputKey, ProgramRecord
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, seal_command
from coprocessor.protocol.interface import Method
from coprocessor.protocol.items import ClearItem
from coprocessor.protocol.links import LinkKind
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import Address, NetworkId, checked_address
from coprocessor.values.limits import MAX_FUEL
from coprocessor.values.network import Network

__all__ = ["DEFAULT_FUEL", "CallOptions", "SealedItem", "Sealer", "SealingContext"]

DEFAULT_FUEL = 20_000_000_000
"""Fuel limit of a command unless the author says otherwise."""

DEADLINE_SECONDS = 3600
"""How long a sealed command stays good."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Limits of one command: fuel, fee in wei."""

    fuel: int = DEFAULT_FUEL
    fee: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 < self.fuel <= MAX_FUEL:
            raise CallerMisuse("call.fuel", f"a fuel limit lies between 1 and {MAX_FUEL}, not at {self.fuel}")
        if not 0 <= self.fee < 1 << 96:
            raise CallerMisuse("call.fee", f"a fee limit lies between 0 and 2**96 wei, not at {self.fee}")


@dataclass(frozen=True, slots=True)
class SealingContext:
    """The proven input key (PROTOCOL 4.4), and chain time in seconds, from which deadlines are counted."""

    input_key: InputKey
    now: int


@dataclass(frozen=True, slots=True)
class SealedItem:
    """A command ready for the inbox, and what its author keeps of it.

    Args:
        record: the program it is for.
        method: that it calls.
        clear: what everybody may see.
        author: whose key opens the output.
        nonce: with which the author's key opens it.
    """

    record: ProgramRecord
    method: Method
    clear: ClearItem
    author: PrivateKey
    nonce: int


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals commands for one network."""

    network: Network
    network_id: NetworkId

    def seal(
        self,
        record: ProgramRecord,
        method: Method,
        arguments: bytes,
        context: SealingContext,
        author: PrivateKey,
        relayer: Address | None,
        options: CallOptions,
    ) -> SealedItem:
        """A sealed command.

        Args:
            record: of the program.
            method: a command of its interface.
            arguments: as the interface encodes them.
            context: see there.
            author: signs; opens the output.
            relayer: who will bring it in a batch, or None where the author submits it.
            options: limits.
        """
        input_key = context.input_key
        if relayer is not None:
            checked_address(relayer, "relayer")
        nonce = secrets.randbits(64)
        command = Command(
            method=method.selector,
            arguments=arguments,
            nonce=nonce,
            deadline=context.now + DEADLINE_SECONDS,
            fuel_limit=options.fuel,
            fee_limit=options.fee,
            reply_secret=derive_reply_secret(author, self.network_id, record.program, nonce),
        )
        kind = LinkKind.SUBMIT if relayer is None else LinkKind.BATCH
        destination = Destination(
            network=self.network_id,
            chain_id=self.network.configuration.chain_id,
            inbox=self.network.configuration.contract("Inbox").address,
            program=record.program,
            epoch=input_key.epoch,
            kind=kind,
            origin=author.address if relayer is None else relayer,
        )
        sealed = seal_command(command, destination, author, input_key.key)
        return SealedItem(record, method, ClearItem(record.handle, options.fuel, options.fee, sealed), author, nonce)
