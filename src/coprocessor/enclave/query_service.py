"""Answers to queries: fresh, signed, bound; they change nothing (PROTOCOL 2.3, 4.3, 8.8)."""

from __future__ import annotations

from dataclasses import dataclass

from coprocessor.crypto.hashing import hmac_sha256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.chain_view import ChainView
from coprocessor.enclave.executor_port import Executor
from coprocessor.enclave.identity import Entropy
from coprocessor.enclave.programs import Program, ProgramEpoch, ProgramTable
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol import layout
from coprocessor.protocol.output_body import Event, LogLine, OutputBody, encode_output_body
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.queries import MAX_QUERY, Query, QueryReply, open_query, seal_reply
from coprocessor.sandbox.abi import FrameKind
from coprocessor.sandbox.executor_messages import Call, CallOutcome
from coprocessor.sandbox.executor_messages import Query as ExecutorQuery
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.values.errors import CoprocessorError, EvidenceRefused, MalformedInput
from coprocessor.values.identities import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    ClusterId,
    NetworkId,
    ProgramId,
    RequestId,
    StateRoot,
    WorkerId,
    checked_digest,
)

__all__ = ["MAX_QUERY_DEADLINE", "QUERY_FUEL", "QueryService"]

QUERY_FUEL = 50_000_000_000
"""Fuel of one query; its deadline ends it sooner."""

MAX_QUERY_DEADLINE = 30_000
"""Milliseconds that one query may take."""


@dataclass(frozen=True, slots=True)
class QueryService:
    """One moment of a worker at which a query is answered.

    Args:
        executed: links executed.
        proven: links proven.
        state_root: after the executed ones.
    """

    network: NetworkId
    chain_id: int
    cluster: ClusterId
    worker: WorkerId
    keys: ClusterKeys
    signing: PrivateKey
    view: ChainView
    programs: ProgramTable
    executor: Executor
    executed: int
    proven: int
    state_root: StateRoot
    entropy: Entropy

    def answer(self, message: m.Query) -> bytes:
        """The encoded reply.

        Raises:
            EvidenceRefused: not sealed for this program, a block that this enclave does not know, a state that is
            behind it,
                or an input key on the chain that is not the program's.
            MalformedInput: not a query.
        """
        if len(message.sealed) > MAX_QUERY:
            raise MalformedInput("query.too_long", f"{len(message.sealed)} bytes, the limit is {MAX_QUERY}")
        program = self.programs.by_id(ProgramId(checked_digest(message.program, "program")))
        if program is None or not program.is_alive:
            raise EvidenceRefused("query.program", f"no program 0x{message.program.hex()} runs here")
        query, keys = self._open(message.sealed, program)
        epoch = keys.epoch
        self._check_input_key(program, keys)
        executed_block = self._check_freshness(query)
        outcome = self._run(query, program, executed_block, min(message.deadline_ms, MAX_QUERY_DEADLINE))
        digest = query.digest(self.network, program.origin.program)
        body, status = _body(outcome)
        return (
            QueryReply(
                network=self.network,
                cluster=self.cluster,
                program=program.origin.program,
                query_digest=digest,
                block_number=query.block_number,
                block_hash=query.block_hash,
                executed_links=self.executed,
                executed_block=executed_block,
                state_root=self.state_root,
                worker=self.worker,
                epoch=epoch,
                status=int(status),
                fuel=outcome.fuel,
                sealed_result=seal_reply(encode_output_body(body), query, self.network, digest),
            )
            .signed(self.signing)
            .encode()
        )

    def _open(self, sealed: bytes, program: Program) -> tuple[Query, ProgramEpoch]:
        """The query, and the keys to which it is sealed: the present epoch's, or those of an older one that is not
        closed, since authors learn of new keys only once they are on the chain."""
        refusal: CoprocessorError | None = None
        for keys in program.epochs:
            try:
                opened = open_query(sealed, self.network, program.origin.program, keys.epoch, keys.input_key)
            except CoprocessorError as error:
                refusal = refusal or error
            else:
                return opened, keys
        assert refusal is not None, "a living program has keys of the present epoch"
        raise refusal

    def _check_input_key(self, program: Program, keys: ProgramEpoch) -> None:
        """PROTOCOL 4.3: the record on the chain is the enclave's own derivation, or nothing is served."""
        slot = layout.input_key(program.origin.program, keys.epoch)
        recorded = self.view.digest("Programs", slot)
        if recorded == bytes(32):
            raise EvidenceRefused(
                "query.key_unpublished", "the program's input key is not on the chain yet", next="try again in a moment"
            )
        if recorded != keys.input_key.public_key:
            raise EvidenceRefused(
                "query.key_disputed",
                f"the chain names input key 0x{recorded.hex()}, this enclave derives another",
                "a quorum of members signed a wrong key",
                "do not seal anything to it; report it",
            )

    def _check_freshness(self, query: Query) -> int:
        """PROTOCOL 2.3: the block up to which the inbox is executed, which must not lie before the client's."""
        if not self.view.is_known(query.block_number, query.block_hash):
            raise EvidenceRefused(
                "query.unknown_block",
                f"block {query.block_number} of the query is not on this enclave's verified chain",
                "the worker is behind, or the client's block is not final or too old",
                "try again with a newer finalised block",
            )
        proven = self.view.slot("Inbox", layout.inbox_count(self.cluster))
        if proven.block_number < query.block_number or self.executed < proven.value:
            raise EvidenceRefused(
                "query.behind",
                f"the state stands at block {proven.block_number}, {self.executed} of {proven.value} links executed",
                f"the query asks for block {query.block_number}",
                "try again, or ask another worker",
            )
        return proven.block_number

    def _run(self, query: Query, program: Program, block: int, deadline: int) -> CallOutcome:
        header = self.view.header(block) or self.view.head
        call = Call(
            program=program.origin.program,
            kind=FrameKind.QUERY,
            selector=query.method,
            caller=query.caller(self.network, program.origin.program),
            origin=ZERO_ADDRESS,
            request_id=RequestId(ZERO_DIGEST),
            arguments=query.arguments,
            fuel_limit=QUERY_FUEL,
            random_seed=hmac_sha256(self.keys.query_randomness_secret, self.entropy(32)),
        )
        request = ExecutorQuery(self.chain_id, block, header.timestamp, max(0, self.executed - 1), call, deadline)
        return self.executor.query(request).outcome


def _body(outcome: CallOutcome) -> tuple[OutputBody, Status]:
    status = {OutcomeKind.OK: Status.OK, OutcomeKind.REVERTED: Status.REVERTED}.get(
        OutcomeKind(outcome.kind), Status.EXHAUSTED
    )
    limit = ""
    if status is Status.EXHAUSTED:
        limit = ExhaustedLimit(outcome.limit).name.lower() if outcome.limit else "deadline"
    body = OutputBody(
        int(status),
        limit,
        outcome.result,
        outcome.message,
        tuple(Event(event.program, event.name, event.data) for event in outcome.events),
        tuple(LogLine(log.program, log.level, log.text.decode("utf-8", "replace")) for log in outcome.logs),
    )
    return body, status
