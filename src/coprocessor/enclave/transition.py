"""One link applied to a cluster: judge, execute, write, seal outputs, compute the root (PROTOCOL 3, 5, 6).

Everything here is a function of the link, the state before it and the epoch's keys: each replica makes the same
bytes. A failing item leaves the state untouched; its reason stands in its sealed output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from coprocessor.crypto.hashing import hmac_sha256
from coprocessor.enclave.code_loading import CodeLoader
from coprocessor.enclave.code_opening import constructor_failed, upgrade_failed
from coprocessor.enclave.epochs import Epochs
from coprocessor.enclave.executor_port import Executor
from coprocessor.enclave.inbox import ProvenLink
from coprocessor.enclave.judgement import Bench, ReadyItem, VoidItem, judge_link
from coprocessor.enclave.messages import ItemOutput
from coprocessor.enclave.programs import CodeStore, Program, ProgramTable
from coprocessor.enclave.sealed_state import ClusterState, ProgramState
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol.commands import method_selector
from coprocessor.protocol.interface import UPGRADE_METHOD, parse_interface
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.output_body import Event, LogLine, OutputBody, encode_output_body
from coprocessor.protocol.outputs import Leaf, Status, derive_output_keys, public_plaintext_hash, seal_output
from coprocessor.protocol.sealed_init import is_sealed_init
from coprocessor.protocol.system import decode_instantiation, decode_request, decode_upgrade
from coprocessor.sandbox.abi import UPGRADE_SELECTOR, FrameKind
from coprocessor.sandbox.discretion import place_of
from coprocessor.sandbox.executor_messages import (
    Call,
    CallOutcome,
    Execute,
    Executed,
    Item,
    ItemResult,
)
from coprocessor.sandbox.faults import ExhaustedLimit
from coprocessor.sandbox.outcome import OutcomeKind
from coprocessor.sandbox.runtime import Runtime
from coprocessor.values.errors import InternalError
from coprocessor.values.identities import (
    ZERO_ADDRESS,
    ZERO_DIGEST,
    Address,
    CodeHash,
    Digest,
    NetworkId,
    ProgramId,
    RequestId,
)

__all__ = ["PUBLIC_RESULT_LIMIT", "ROTATED_ENTRIES", "Applied", "Transition"]

PUBLIC_RESULT_LIMIT = 4096
"""Bytes of a request's readable result, as ``Settlement.deliver`` takes it."""

_NO_REQUEST = RequestId(ZERO_DIGEST)

ROTATED_ENTRIES = 4096
"""Entries of older epochs that each link seals again (PROTOCOL 8.3)."""

_PART_ITEMS = 64
"""Items that are judged at a time while the executor runs those before."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Outputs of a link's items, in order, and their leaves."""

    outputs: tuple[ItemOutput, ...]
    leaves: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an output stands."""

    position: int
    program: ProgramId
    request: RequestId


@dataclass(frozen=True, slots=True)
class _Part:
    """Judged items that follow one another, and what the executor is asked for them, if any of them runs."""

    judged: Sequence[ReadyItem | VoidItem]
    request: Execute | None


class Transition:
    """Applies links of one cluster, in order.

    Args:
        network: 32 bytes.
        chain_id: of the chain.
        inbox: 20 bytes.
        epochs: which have begun; their keys.
        executor: runs guests.
        codes: published packages.
        programs: of the cluster.
        state: of the cluster.
    """

    def __init__(
        self,
        network: NetworkId,
        chain_id: int,
        inbox: Address,
        epochs: Epochs,
        executor: Executor,
        codes: CodeStore,
        programs: ProgramTable,
        state: ClusterState,
    ) -> None:
        self._network = network
        self._epochs = epochs
        self._executor = executor
        self._loader = CodeLoader(network, epochs, executor, codes)
        self._programs = programs
        self._state = state
        self._bench = Bench(network, chain_id, inbox, epochs, programs, state.nonces)
        self.has_older = False
        """Entries are left under the keys of older epochs."""

    def begin_epoch(self, keys: ClusterKeys, runtime: Runtime) -> None:
        """New keys write from the present link on; what stands under older ones waits (PROTOCOL 8.3). Where the epoch
        has another runtime, everything runs under it from the present link on (PROTOCOL 12)."""
        self._programs.change(lambda program: program.rekeyed(keys.program(program.origin.program)))
        if runtime == self._executor.runtime:
            for program in self._programs.alive():
                self._executor.rekey(program)
        else:
            self._switch(runtime)
        self._state.rekey(keys)
        self.has_older = True

    def _switch(self, runtime: Runtime) -> None:
        self._executor.switch(runtime)
        for program in self._programs.alive():
            moved = self._loader.move(program)
            self._programs.put(moved)
            self._state.set_record(program.origin.program, moved.record())

    def missing_code(self, proven: ProvenLink) -> CodeHash | None:
        """The code that ``apply`` would lack, or None."""
        return self._loader.missing(proven.link)

    def apply(self, proven: ProvenLink) -> Applied:
        """Executes a link that holds items, makes a program or changes its code; other kinds have no outputs."""
        kind = proven.link.kind
        if kind in (LinkKind.SUBMIT, LinkKind.BATCH):
            outputs = self._apply_items(proven)
        elif kind == LinkKind.REQUEST:
            outputs = [self._apply_request(proven)]
        elif kind == LinkKind.INSTANTIATE:
            outputs = [self._instantiate(proven)]
        elif kind == LinkKind.UPGRADE:
            outputs = [self._upgrade(proven)]
        else:
            outputs = []
        if self.has_older:
            self.has_older = not self._state.rotate(ROTATED_ENTRIES, proven.link.index)
        return Applied(tuple(output for output, _ in outputs), tuple(leaf.digest() for _, leaf in outputs))

    # ---- commands

    def _apply_items(self, proven: ProvenLink) -> list[tuple[ItemOutput, Leaf]]:
        """Judges a part of the items while the executor runs the part before, so that two processors share the work.

        Cuts decide nothing, since judgements do not depend on results and items run in order (PROTOCOL 5.1).
        """
        outputs: list[tuple[ItemOutput, Leaf]] = []
        before: _Part | None = None
        for judged in _parts(judge_link(proven.link, self._bench)):
            part = self._part(proven, judged)
            results = () if before is None else self._finish(before)
            self._begin(part)
            if before is not None:
                outputs += self._collect(proven, before, results)
            before = part
        if before is not None:
            outputs += self._collect(proven, before, self._finish(before))
        return outputs

    def _part(self, proven: ProvenLink, judged: Sequence[ReadyItem | VoidItem]) -> _Part:
        ready = [item for item in judged if isinstance(item, ReadyItem)]
        calls = [Item(item.position, self._command_call(proven, item)) for item in ready]
        return _Part(judged, self._request(proven, calls) if calls else None)

    def _begin(self, part: _Part) -> None:
        if part.request is not None:
            self._executor.begin(part.request)

    def _finish(self, part: _Part) -> tuple[ItemResult, ...]:
        return () if part.request is None else _results(part.request, self._executor.finish(part.request))

    def _collect(self, proven: ProvenLink, part: _Part, results: Sequence[ItemResult]) -> list[tuple[ItemOutput, Leaf]]:
        self._write(proven, results)
        by_position = {result.position: result for result in results}
        outputs = []
        for item in part.judged:
            if isinstance(item, VoidItem):
                place = _Place(item.position, item.program, _NO_REQUEST)
                outputs.append(_public(proven, place, Status.VOID, 0, item.rule.encode("ascii"), item.rule))
            else:
                outputs.append(self._sealed(proven, item, by_position[item.position]))
        return outputs

    def _command_call(self, proven: ProvenLink, item: ReadyItem) -> Call:
        command, program = item.opened.command, item.program.origin.program
        return Call(
            program=program,
            kind=FrameKind.COMMAND,
            selector=command.method,
            caller=item.opened.author,
            origin=ZERO_ADDRESS,
            request_id=_NO_REQUEST,
            arguments=command.arguments,
            fuel_limit=command.fuel_limit,
            random_seed=self._seed(proven, item.position, program),
        )

    def _sealed(self, proven: ProvenLink, item: ReadyItem, result: ItemResult) -> tuple[ItemOutput, Leaf]:
        status = _status(result.outcome)
        place = _Place(item.position, item.program.origin.program, _NO_REQUEST)
        leaf = _leaf(proven, place, status, result.outcome.fuel, ZERO_DIGEST)
        keys = derive_output_keys(item.opened.command.reply_secret, self._network, proven.head, item.position)
        sealed, leaf = seal_output(encode_output_body(_body(status, result.outcome)), keys, leaf, self._network)
        return _output(leaf, sealed, is_public=False, void_rule=""), leaf

    # ---- requests

    def _apply_request(self, proven: ProvenLink) -> tuple[ItemOutput, Leaf]:
        request = decode_request(proven.link.payload)
        place = _Place(0, request.program, request.request)
        program = self._programs.by_id(request.program)
        if program is None or not program.is_alive:
            return _public(proven, place, Status.VOID, 0, b"void.program", "void.program")
        if request.method == UPGRADE_SELECTOR:
            return _public(proven, place, Status.VOID, 0, b"void.upgrade", "void.upgrade")
        call = Call(
            program=request.program,
            kind=FrameKind.REQUEST,
            selector=request.method,
            caller=proven.link.origin,
            origin=proven.link.origin,
            request_id=request.request,
            arguments=request.arguments,
            fuel_limit=proven.link.fuel_limit,
            random_seed=self._seed(proven, 0, request.program),
        )
        (result,) = self._run(proven, [Item(0, call)])
        status = _status(result.outcome)
        readable = result.outcome.result if status is Status.OK else result.outcome.message.encode("utf-8")
        return _public(proven, place, status, result.outcome.fuel, readable[:PUBLIC_RESULT_LIMIT])

    # ---- programs

    def _instantiate(self, proven: ProvenLink) -> tuple[ItemOutput, Leaf]:
        origin = decode_instantiation(proven.link.payload)
        place = _Place(0, origin.program, _NO_REQUEST)
        program, arguments, reason = self._loader.begin(origin, proven.link.timestamp)
        self._programs.add(program)
        self._state.add(origin.program, ProgramState(self._network, program.present.keys, program.record()))
        if not program.is_alive:
            return _public(proven, place, Status.REVERTED, 0, reason.encode("utf-8")[:PUBLIC_RESULT_LIMIT])
        outcome = self._construct(proven, program, arguments)
        if outcome is None or outcome.kind == OutcomeKind.OK:
            return _public(proven, place, Status.OK, 0 if outcome is None else outcome.fuel, b"")
        self._state.set_record(origin.program, self._programs.bury(origin.program).record())
        self._executor.unload(origin.program)
        is_secret = program.is_private or is_sealed_init(origin.init)  # then so are the constructor's words
        message = str(constructor_failed()) if is_secret else outcome.message
        return _public(proven, place, _status(outcome), outcome.fuel, message.encode("utf-8")[:PUBLIC_RESULT_LIMIT])

    def _construct(self, proven: ProvenLink, program: Program, arguments: bytes) -> CallOutcome | None:
        """Runs the constructor; None where the program has none and was given no arguments."""
        if not program.has_constructor:
            return None
        return self._run_as_owner(proven, program, FrameKind.INIT, "init", arguments, program.origin.fuel_limit)

    def _upgrade(self, proven: ProvenLink) -> tuple[ItemOutput, Leaf]:
        """Other code from this link on, with the same keys and state (PROTOCOL 12). Where it does not load, or its
        method ``upgrade`` fails, the program goes on as it was."""
        change = decode_upgrade(proven.link.payload)
        place = _Place(0, change.program, _NO_REQUEST)
        program = self._programs.by_id(change.program)
        if program is None or not program.is_alive:
            return _public(proven, place, Status.VOID, 0, b"void.program", "void.program")
        successor, reason = self._loader.succeed(program, change.code_hash, proven.link.timestamp)
        if reason:
            return _public(proven, place, Status.REVERTED, 0, reason.encode("utf-8")[:PUBLIC_RESULT_LIMIT])
        outcome = self._carry_over(proven, successor, change.fuel_limit)
        if outcome is not None and outcome.kind != OutcomeKind.OK:
            self._executor.restore(program)
            message = str(upgrade_failed(place_of(outcome.message), successor.is_private))
            return _public(proven, place, _status(outcome), outcome.fuel, message.encode("utf-8"))
        self._programs.put(successor)
        self._state.set_record(change.program, successor.record())
        return _public(proven, place, Status.OK, 0 if outcome is None else outcome.fuel, b"")

    def _carry_over(self, proven: ProvenLink, successor: Program, fuel_limit: int) -> CallOutcome | None:
        """Runs the new code's method ``upgrade`` over the state; None where it has none."""
        package = successor.package
        if package is None or parse_interface(package.interface).upgrade is None:
            return None
        arguments = b"[]" if package.language == "python" else b""
        return self._run_as_owner(proven, successor, FrameKind.COMMAND, UPGRADE_METHOD, arguments, fuel_limit)

    def _run_as_owner(
        self, proven: ProvenLink, program: Program, kind: FrameKind, method: str, arguments: bytes, fuel_limit: int
    ) -> CallOutcome:
        call = Call(
            program=program.origin.program,
            kind=kind,
            selector=method_selector(method),
            caller=program.origin.owner,
            origin=ZERO_ADDRESS,
            request_id=_NO_REQUEST,
            arguments=arguments,
            fuel_limit=fuel_limit,
            random_seed=self._seed(proven, 0, program.origin.program),
        )
        (result,) = self._run(proven, [Item(0, call)])
        return result.outcome

    # ---- shared

    def _run(self, proven: ProvenLink, items: Sequence[Item]) -> tuple[ItemResult, ...]:
        """Executes items in order and applies the writes of those that succeed."""
        request = self._request(proven, items)
        results = _results(request, self._executor.execute(request))
        self._write(proven, results)
        return results

    def _request(self, proven: ProvenLink, items: Sequence[Item]) -> Execute:
        link = proven.link
        return Execute(self._bench.chain_id, link.block_number, link.timestamp, link.index, tuple(items))

    def _write(self, proven: ProvenLink, results: Sequence[ItemResult]) -> None:
        for result in results:
            for write in result.writes:
                self._state.write(write.program, write.key, write.value, proven.link.index, result.position)

    def _seed(self, proven: ProvenLink, position: int, program: ProgramId) -> bytes:
        """PROTOCOL 5.2: PRF(epoch secret, link hash, position, program)."""
        secret = self._epochs.needed(self._epochs.current).randomness_secret
        return hmac_sha256(secret, proven.head + position.to_bytes(4, "big") + program)


def _parts(judged: Iterator[ReadyItem | VoidItem]) -> Iterator[list[ReadyItem | VoidItem]]:
    while part := list(islice(judged, _PART_ITEMS)):
        yield part


def _results(request: Execute, reply: Executed) -> tuple[ItemResult, ...]:
    if [result.position for result in reply.results] != [item.position for item in request.items]:
        raise InternalError("executor.results", "the executor answered for other items than it was asked")
    return reply.results


def _status(outcome: CallOutcome) -> Status:
    if outcome.kind == OutcomeKind.OK:
        return Status.OK
    if outcome.kind == OutcomeKind.EXHAUSTED:
        return Status.EXHAUSTED
    if outcome.kind == OutcomeKind.REVERTED:
        return Status.REVERTED
    raise InternalError("executor.outcome", f"a command cannot end as {outcome.kind}")


def _body(status: Status, outcome: CallOutcome) -> OutputBody:
    limit = ExhaustedLimit(outcome.limit).name.lower() if status is Status.EXHAUSTED else ""
    return OutputBody(
        status=int(status),
        limit=limit,
        result=outcome.result,
        message=outcome.message,
        events=tuple(Event(event.program, event.name, event.data) for event in outcome.events),
        logs=tuple(LogLine(log.program, log.level, log.text.decode("utf-8", "replace")) for log in outcome.logs),
    )


def _leaf(proven: ProvenLink, place: _Place, status: Status, fuel: int, plaintext_hash: Digest) -> Leaf:
    return Leaf(
        link=proven.link.index,
        position=place.position,
        program=place.program,
        request=place.request,
        status=int(status),
        fuel=fuel,
        plaintext_hash=plaintext_hash,
        ciphertext_hash=ZERO_DIGEST,
    )


def _public(
    proven: ProvenLink, place: _Place, status: Status, fuel: int, readable: bytes, void_rule: str = ""
) -> tuple[ItemOutput, Leaf]:
    """An output that anybody may read: no ciphertext, a salt of zeros."""
    leaf = _leaf(proven, place, status, fuel, public_plaintext_hash(readable))
    return _output(leaf, readable, is_public=True, void_rule=void_rule), leaf


def _output(leaf: Leaf, output: bytes, *, is_public: bool, void_rule: str) -> ItemOutput:
    return ItemOutput(
        position=leaf.position,
        program=leaf.program,
        request=leaf.request,
        status=leaf.status,
        fuel=leaf.fuel,
        plaintext_hash=leaf.plaintext_hash,
        ciphertext_hash=leaf.ciphertext_hash,
        output=output,
        public=is_public,
        void_rule=void_rule,
    )
