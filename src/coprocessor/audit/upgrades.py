"""Upgrades of programs, judged again (PROTOCOL 12).

Rules:
1. New code is announced under the policy that the program's id commits to: votes are counted again, the delay is the
   policy's. That a timelock's announcement came from the owner rests on the pinned code: a transaction's sender is no
   part of what is read.
2. Nothing takes effect before its delay is over, nor a week later; it does so by a link of its own.
"""

from __future__ import annotations

from typing import Any, Final

from coprocessor.audit.records import Event, falsehood
from coprocessor.audit.signatures import signatures_of, signers_of
from coprocessor.audit.state import AuditState, ProgramHistory, Version
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.upgrade_policy import (
    EXECUTION_WINDOW,
    PolicyKind,
    UpgradePolicy,
    decode_policy,
    upgrade_digest,
    withdrawal_digest,
)
from coprocessor.values.identities import CodeHash, Digest, ProgramId

__all__ = ["on_announced", "on_upgraded", "on_withdrawn"]

UPGRADES: Final = "upgrades"


def on_announced(state: AuditState, event: Event) -> None:
    """New code is announced (rule 1).

    Raises:
        EvidenceRefused: ``audit.upgrade``, ``audit.too_few``, and as ``signers_of``.
    """
    program, number = _program(state, event), event["number"]
    name = f"announcement {number} of program 0x{program.program.hex()[:16]}…"
    if number != program.announcements:
        raise falsehood("audit.upgrade", f"{name} stands where {program.announcements} is due", "PROTOCOL 12")
    ready, expires = event["ready"], event["expires"]
    arguments = signatures_of(state, event, "announce", UPGRADES)
    if arguments is not None:
        policy = _policy(program, arguments, name)
        if ready != state.now.timestamp + policy.delay or expires != ready + EXECUTION_WINDOW:
            raise falsehood("audit.upgrade", f"{name} is not delayed as the program's policy says", "PROTOCOL 12")
        code_hash, fuel = CodeHash(event["code_hash"]), event["fuel_limit"]
        chain_id, programs = state.network.configuration.chain_id, state.address("Programs")
        digest = upgrade_digest(chain_id, programs, program.program, number, code_hash, fuel)
        _check_votes(state, policy, digest, arguments["votes"], name)
    program.announcements += 1
    program.waiting = (Digest(event["code_hash"]), ready, expires)


def on_withdrawn(state: AuditState, event: Event) -> None:
    """An announcement is taken back (rule 1). Raises as ``on_announced``."""
    program, number = _program(state, event), event["number"]
    name = f"the withdrawal of announcement {number} of program 0x{program.program.hex()[:16]}…"
    if program.waiting is None or number != program.announcements - 1:
        raise falsehood("audit.upgrade", f"{name} is of one that does not wait", "PROTOCOL 12")
    arguments = signatures_of(state, event, "withdraw", UPGRADES)
    if arguments is not None:
        policy = _policy(program, arguments, name)
        chain_id, programs = state.network.configuration.chain_id, state.address("Programs")
        digest = withdrawal_digest(chain_id, programs, program.program, number)
        _check_votes(state, policy, digest, arguments["votes"], name)
    program.waiting = None


def on_upgraded(state: AuditState, event: Event) -> None:
    """New code takes effect (rule 2). Raises EvidenceRefused ``audit.upgrade``."""
    program, number, link = _program(state, event), event["number"], event["link"]
    name = f"upgrade {number} of program 0x{program.program.hex()[:16]}…"
    code_hash, ready, expires = program.waiting or (None, 0, 0)
    if number != len(program.versions) + 1 or event["code_hash"] != code_hash:
        raise falsehood("audit.upgrade", f"{name} is to code that was not announced", "PROTOCOL 12")
    if not ready <= state.now.timestamp < expires:
        raise falsehood("audit.upgrade", f"{name} took effect outside its time", "PROTOCOL 12")
    cluster = state.clusters[program.cluster]
    if link != len(cluster.heads) - 1 or cluster.links[-1].kind != LinkKind.UPGRADE:
        raise falsehood("audit.upgrade", f"{name} has no link of its own", "PROTOCOL 12")
    program.versions.append(Version(Digest(event["code_hash"]), link, state.now))
    program.waiting = None
    state.counts[UPGRADES] += 1


def _program(state: AuditState, event: Event) -> ProgramHistory:
    found = state.programs.get(ProgramId(event["program"]))
    if found is None:
        raise falsehood("audit.upgrade", f"{event.name} names a program that is none", "PROTOCOL 12")
    return found


def _policy(program: ProgramHistory, arguments: Any, name: str) -> UpgradePolicy:
    policy = decode_policy(*arguments["policy"])
    if policy.digest() != program.policy:
        raise falsehood("audit.upgrade", f"{name} is under another policy than the program's id names", "PROTOCOL 12")
    return policy


def _check_votes(state: AuditState, policy: UpgradePolicy, digest: Digest, votes: Any, name: str) -> None:
    if policy.kind is not PolicyKind.VOTES:
        return
    signers = signers_of(state, digest, votes, name)
    if not set(signers) <= set(policy.keys):
        raise falsehood("audit.upgrade", f"{name} was voted for by a stranger to its policy", "PROTOCOL 12")
    if len(signers) < policy.threshold:
        raise falsehood("audit.too_few", f"{name}: {len(signers)} voted, {policy.threshold} are needed", "PROTOCOL 12")
