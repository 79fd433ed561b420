"""Cores of enclaves for tests: counted entropy, simulated machines, questions and answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from coprocessor.attestation.evidence import compute_collateral_digest, decode_evidence, encode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.attesters.simulated import SimulatedAttester
from coprocessor.crypto.hashing import sha256
from coprocessor.enclave import messages as m
from coprocessor.enclave.gatekeeper import GatekeeperCore
from coprocessor.enclave.worker import WorkerCore
from coprocessor.host import slots
from coprocessor.protocol import layout
from tests.support.fake_chain import GENESIS_TIME, MEASURED, FakeChain, key

OPERATOR = key(50).address


def counted_entropy(seed: bytes) -> Callable[[int], bytes]:
    """Bytes that differ at each call and are the same in each run."""
    state = {"count": 0}

    def entropy(length: int) -> bytes:
        state["count"] += 1
        block = b"".join(
            sha256(seed + state["count"].to_bytes(8, "big") + bytes((part,))) for part in range(length // 32 + 1)
        )
        return block[:length]

    return entropy


def attester(machine: bytes, measured: bytes = MEASURED) -> SimulatedAttester:
    """A simulated machine."""
    return SimulatedAttester(sha256(machine), measured)


@lru_cache(maxsize=256)
def subjects_of(machine: SimulatedAttester) -> tuple[bytes, bytes, bytes]:
    """Root, measurement and platform of a machine, which all its evidence shows."""
    verdict = verify_evidence(machine.quote(bytes(64), GENESIS_TIME), GENESIS_TIME)
    return verdict.root, verdict.measurement_digest, verdict.platform_id


def platform_of(machine: SimulatedAttester) -> bytes:
    """The machine's id."""
    return subjects_of(machine)[2]


def ask(core: GatekeeperCore | WorkerCore, message: Any) -> Any:
    """The reply to a message that must succeed."""
    reply = core.handle(message)[0]
    assert not isinstance(reply, m.Failure), reply
    return reply


def refusal(core: GatekeeperCore | WorkerCore, message: Any) -> str:
    """The code of the failure that a message must end in."""
    reply = core.handle(message)[0]
    assert isinstance(reply, m.Failure), reply
    return reply.code


def policy_proof(newcomer: m.Admit, chain: FakeChain) -> m.ChainProof:
    """What a gatekeeper's host proves before its enclave judges a newcomer, at the newest block."""
    evidence = decode_evidence(newcomer.evidence)
    verdict = verify_evidence(evidence, chain.timestamp)
    wanted = slots.policy(verdict.root, verdict.measurement_digest, verdict.platform_id, newcomer.signer)
    refresh = chain.storage["Registry"].get(layout.registry_policy("refresh"), 0)
    pin = layout.registry_pin(refresh, compute_collateral_digest(evidence.kind, evidence.collateral))
    return chain.proof(*(("Registry", slot) for slot in (*wanted["Registry"], pin)))


def admit_request(
    core: Any,
    machine: SimulatedAttester,
    booted: m.Booted,
    chain: FakeChain,
    role: int = 1,
    operator: bytes = OPERATOR,
) -> m.Admit:
    """What a host sends to gatekeepers for a booted enclave."""
    claims = core.claims()
    evidence = encode_evidence(machine.quote(claims.compute(), core.chain_time()))
    checkpoint = next(n for n in range(chain.number + 1) if chain.block_hash(n) == claims.checkpoint_hash)
    return m.Admit(
        role,
        operator,
        booted.signer,
        booted.signing_key,
        booted.sealing_key,
        evidence,
        claims.checkpoint_hash,
        checkpoint,
        claims.block_number,
        claims.block_hash,
    )
