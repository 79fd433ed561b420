"""Opening and judging the items of a link, before anything runs (PROTOCOL 3.2, 4.1, 4.2, 5.5).

An item is void, by rule, where its program is unknown or dead, where it does not open for the link's actual origin,
where it calls ``upgrade`` (PROTOCOL 12), where its signature or deadline is bad, or where its nonce was spent. Void
items consume no nonce.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from coprocessor.enclave.epochs import Epochs
from coprocessor.enclave.nonces import NonceSet
from coprocessor.enclave.programs import Program, ProgramEpoch, ProgramTable
from coprocessor.protocol.commands import MAX_DEADLINE_AHEAD, Destination, OpenedCommand, open_command
from coprocessor.protocol.items import ClearItem, decode_items
from coprocessor.protocol.links import Link
from coprocessor.sandbox.abi import UPGRADE_SELECTOR
from coprocessor.values.errors import CoprocessorError, MalformedInput
from coprocessor.values.identities import Address, NetworkId, ProgramId

__all__ = ["Bench", "ReadyItem", "VoidItem", "judge_link"]


@dataclass(frozen=True, slots=True)
class ReadyItem:
    """An item that runs: who asks which program for what."""

    position: int
    program: Program
    opened: OpenedCommand


@dataclass(frozen=True, slots=True)
class VoidItem:
    """An item that does not run, and the rule that it broke; ``program`` is zero where none is named."""

    position: int
    program: ProgramId
    rule: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What items are judged by."""

    network: NetworkId
    chain_id: int
    inbox: Address
    epochs: Epochs
    programs: ProgramTable
    nonces: NonceSet


def judge_link(link: Link, bench: Bench) -> Iterator[ReadyItem | VoidItem]:
    """The judged items of a ``SUBMIT`` or ``BATCH`` link, in order, each when it is asked for; spends the nonces of
    those that run. No judgement depends on what another item does: items may run while later ones are judged."""
    try:
        items = decode_items(link)
    except MalformedInput:
        yield VoidItem(0, ProgramId(bytes(32)), "void.framing")
        return
    bench.nonces.forget_until(link.timestamp)
    acceptable = bench.epochs.acceptable(link.timestamp)
    for position, item in enumerate(items):
        yield _judge(link, position, item, bench, acceptable)


def _judge(
    link: Link, position: int, item: ClearItem, bench: Bench, acceptable: tuple[int, ...]
) -> ReadyItem | VoidItem:
    program = bench.programs.by_handle(item.handle)
    if program is None or not program.is_alive:
        identifier = ProgramId(bytes(32)) if program is None else program.origin.program
        return VoidItem(position, identifier, "void.program")
    void = _voider(position, program)
    try:
        opened, keys = _open(link, item, bench, program, acceptable)
    except CoprocessorError as error:
        return void(_rule(error.code))
    command = opened.command
    if command.method == UPGRADE_SELECTOR:
        return void("void.upgrade")
    if command.deadline < link.timestamp:
        return void("void.late")
    if command.deadline > link.timestamp + MAX_DEADLINE_AHEAD:
        return void("void.deadline")
    if bench.nonces.is_used(keys.nonce_key, opened.author, command.nonce):
        return void("void.replayed")
    bench.nonces.spend(keys.nonce_key, opened.author, command.nonce, command.deadline)
    return ReadyItem(position, program, opened)


def _open(
    link: Link, item: ClearItem, bench: Bench, program: Program, acceptable: tuple[int, ...]
) -> tuple[OpenedCommand, ProgramEpoch]:
    """The command under the newest epoch that opens it, and that epoch's keys (PROTOCOL 8.3).

    Raises:
        CoprocessorError: none does; of the newest epoch.
    """
    refusal: CoprocessorError | None = None
    for epoch in acceptable:
        keys = program.of_epoch(epoch)
        if keys is None:  # the program came to be after that epoch
            continue
        destination = Destination(
            bench.network, bench.chain_id, bench.inbox, program.origin.program, epoch, link.kind, link.origin
        )
        try:
            return open_command(item.sealed, destination, keys.input_key, item.fuel_limit, item.fee_limit), keys
        except CoprocessorError as error:
            refusal = refusal or error
    assert refusal is not None, "a living program has keys of the present epoch"
    raise refusal


def _voider(position: int, program: Program) -> Callable[[str], VoidItem]:
    return lambda rule: VoidItem(position, program.origin.program, rule)


def _rule(code: str) -> str:
    if code.startswith("void."):
        return code
    return "void.signature" if code.startswith("signature.") else "void.sealed"
