"""Making a program of published code on the chain, once, also where an earlier attempt was cut short."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from coprocessor.chain.errors import TransactionReverted
from coprocessor.chain.node import TransactionReceipt
from coprocessor.chain.sender import TransactionSender
from coprocessor.client.private_code import Instance
from coprocessor.client.session import Session
from coprocessor.protocol.system import compute_program_id
from coprocessor.values.identities import ProgramId

__all__ = ["Made", "instantiate"]


@dataclass(frozen=True, slots=True)
class Made:
    """A program on the chain, the link that makes it, and gas that was paid for it now."""

    program: ProgramId
    link: int
    gas: int


async def instantiate(
    session: Session, sender: TransactionSender, call: bytes, instance: Instance, has_begun: bool
) -> Made:
    """The program that ``call`` makes.

    Args:
        session: where.
        sender: of its owner, who pays.
        call: of ``Programs.instantiate``.
        instance: what its id is made of.
        has_begun: an earlier attempt may have made it, or its transaction may still come in first.

    Raises:
        What ``TransactionSender.send`` raises.
    """
    made = await _find(session, instance) if has_begun else None
    if made is not None:
        return made
    try:
        return _made_by(session, await sender.send(session.contracts["Programs"].address, call))
    except TransactionReverted:
        made = await _find(session, instance) if has_begun else None
        if made is None:
            raise
        return made


async def _find(session: Session, instance: Instance) -> Made | None:
    programs = session.contracts["Programs"]
    chain_id = session.target.network.configuration.chain_id
    program = compute_program_id(
        chain_id,
        programs.address,
        instance.owner,
        instance.code_hash,
        instance.cluster,
        instance.salt,
        instance.policy,
    )
    head = await session.node.block("latest")
    topics = [programs.interface.event("Instantiated").topic, program]
    logs = await session.node.logs([programs.address], topics, 0, 0 if head is None else head.number)
    receipt = await session.node.receipt(logs[0].transaction_hash) if logs else None
    return None if receipt is None else dataclasses.replace(_made_by(session, receipt), gas=0)


def _made_by(session: Session, sent: TransactionReceipt) -> Made:
    program = ProgramId(session.contracts["Programs"].events(sent.logs, "Instantiated")[0]["program"])
    return Made(program, int(session.contracts["Inbox"].events(sent.logs, "Link")[0]["index"]), sent.gas_used)
