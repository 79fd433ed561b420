"""A small network's whole record, made in memory: real gatekeeper cores, real evidence, real signatures, no node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

from coprocessor.attestation.evidence import SIGNING_KEY, encode_evidence
from coprocessor.attestation.report_data import ReportClaims
from coprocessor.audit.records import Call, Event, Record
from coprocessor.audit.replay import Replay, check_complete
from coprocessor.audit.state import AuditState, Beacon, Seat
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.headers.header import parse_header
from coprocessor.keys.beacon import BeaconRound, combine_beacon, compute_beacon_session, sign_beacon
from coprocessor.keys.dealing import DkgSession
from coprocessor.keys.dkg import DkgMember, judge
from coprocessor.keys.messages import Complaints
from coprocessor.keys.transcript import sign_message
from coprocessor.protocol import layout
from coprocessor.protocol.genesis import compute_configuration_hash
from coprocessor.protocol.links import Link, LinkKind, compute_genesis_head, compute_head
from coprocessor.protocol.receipts import Receipt
from coprocessor.protocol.statements import (
    INPUT_KEY,
    Admission,
    BeaconKeyRecord,
    Boundary,
    GenesisRecord,
    HandoverRecord,
    HeldRecord,
    MasterKeyRecord,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
    compute_members_hash,
)
from coprocessor.protocol.system import compute_program_id, compute_worker_id
from coprocessor.protocol.upgrade_policy import EXECUTION_WINDOW, FROZEN, UpgradePolicy, upgrade_digest
from coprocessor.values.identities import ClusterId, CodeHash, Digest, ProgramId, RuntimeId, StateRoot, WorkerId
from coprocessor.values.network import CONTRACT_NAMES, Network
from tests.enclave.committee import PHASE_BLOCKS, Committee
from tests.enclave.cores import OPERATOR, attester
from tests.support.fake_chain import CHAIN_ID, GENESIS_TIME, FakeChain, key

__all__ = ["RUNTIME", "TestWorker", "World", "audit", "begin", "replay"]

RUNTIME = RuntimeId(keccak256(b"runtime"))
ZERO = bytes(32)
BEACON_WINDOW = 4


@dataclass(frozen=True)
class TestWorker:
    """A worker whose keys the test knows."""

    __test__ = False

    number: int
    worker: WorkerId
    key: PrivateKey
    operator: PrivateKey


class World:
    """A network from its genesis on; each act is an event in a block of its own."""

    def __init__(self, members: int = 3, threshold: int = 2) -> None:
        self.chain = FakeChain()
        self.placed: dict[int, list[Event]] = {}
        self.committee = Committee(self.chain, members, threshold)
        self.heads: dict[ClusterId, list[Digest]] = {}
        self.settled: dict[ClusterId, tuple[int, StateRoot, int]] = {}
        self.epochs: dict[ClusterId, list[int]] = {}
        self.handles: dict[ClusterId, int] = {}
        self.quorums: dict[ClusterId, int] = {}
        self.runtimes: dict[ClusterId, RuntimeId] = {}
        self._found()

    @property
    def network(self) -> Network:
        """As its description pins it."""
        return Network(self.chain.configuration, self.chain.gatekeepers)

    def records(self) -> list[Record]:
        """The whole record."""
        return [
            Record(parse_header(raw), tuple(self.placed.get(number, ())))
            for number, raw in enumerate(self.chain.headers)
        ]

    def place(self, what: str, call: tuple[str, dict[str, Any]] | None, at: int | None = None, /, **said: Any) -> None:
        """An event in block ``at``, or in a new one."""
        contract, event = what.split(".")
        number = self.chain.mine() if at is None else at
        made = None if call is None else Call(contract, *call)
        self.placed.setdefault(number, []).append(Event(contract, event, said, made))

    def address(self, contract: str) -> Any:
        """Of a contract."""
        return self.chain.configuration.contract(contract).address

    # ---- gatekeepers

    def _found(self) -> None:
        for name in CONTRACT_NAMES[1:]:
            self.place("Directory.Named", None, 0, name=name.encode().ljust(32, b"\0"), account=self.address(name))
        self.place("Directory.Sealed", None, 0, count=len(CONTRACT_NAMES) - 1)
        configuration = compute_configuration_hash(self.chain.configuration)
        self.place("Registry.Configured", None, 0, configuration=configuration)
        self.genesis_members = self.committee.genesis_message().members
        self.committee.hold_genesis()
        seats = self._seats(self.committee.present, self.chain.gatekeepers)
        threshold, genesis = self.committee.threshold, self.committee.network
        record = GenesisRecord(genesis, threshold, compute_members_hash(seats))
        arguments = {"signatures": self._signed(record, self.committee.present)}
        opened = self.chain.number
        said = {"genesis": genesis, "threshold": threshold, "members": [list(seat) for seat in seats]}
        self.place("Gatekeeping.Initialized", ("initialize", arguments), opened, **said)
        self.place("Gatekeeping.Opened", ("initialize", arguments), opened, session=genesis)
        self.committee.run()
        self._place_transcript()
        self._complete(self.committee.present)
        self.committee.record_members()

    def _seats(self, places: Sequence[int], digests: Sequence[Digest]) -> tuple[Seat, ...]:
        booted = [self.committee.booted[at] for at in places]
        return tuple(
            (OPERATOR, one.signer, one.sealing_key, digest)  # type: ignore[misc]
            for one, digest in zip(booted, digests, strict=True)
        )

    def _signed(self, record: Any, places: Sequence[int]) -> list[bytes]:
        digest = record.digest(CHAIN_ID, self.address("Gatekeeping"))
        return [self.committee.cores[at]._state.keys.signing.sign(digest) for at in places]  # type: ignore[union-attr]

    def _place_transcript(self) -> None:
        for entry in self.committee.entries:
            said = {"session": self.committee.session, "member": entry.member, "kind": entry.kind, "data": entry.data}
            self.place("Gatekeeping.Transcript", None, entry.block_number, **said)

    def _outcome(self, share_keys: Sequence[bytes]) -> MasterKeyRecord:
        keys = keccak256(b"".join(share_keys))
        return MasterKeyRecord(self.committee.session, keccak256(self.committee.master_key), keys)

    def _complete(self, signing: Sequence[int]) -> None:
        keys = list(self.committee.share_keys)
        call = {"signatures": self._signed(self._outcome(keys), signing)}
        said = {"genesis": self.committee.network, "master_key": self.committee.master_key, "share_keys": keys}
        self.place("Gatekeeping.Completed", ("complete", call), self.chain.number, **said)

    def publish_evidence(self, **changed: Any) -> None:
        """What each first gatekeeper attested for the genesis; ``changed`` stands in the first one's event instead."""
        for admit in self.genesis_members:
            claims = [
                admit.signing_key,
                admit.checkpoint_number,
                admit.checkpoint_hash,
                admit.block_number,
                admit.block_hash,
            ]
            said = {"signer": admit.signer, "claims": claims, "evidence": admit.evidence, **changed}
            self.place("Gatekeeping.EvidencePublished", None, None, **said)
            changed = {}

    def revoke_gatekeeper(self, at: int) -> None:
        """The guardian ends a member of the present committee."""
        signer = self.committee.booted[at].signer
        number = self.committee.committee_number
        self.chain.set("Gatekeeping", layout.gatekeeping_revoked(signer), self.chain.number + 1)
        self.place("Gatekeeping.Revoked", None, None, committee=number, member=at, signer=signer)

    def refresh(self, by: Sequence[int] | None = None) -> None:
        """New shares for the same gatekeepers, of whom some may take no part."""
        committee, everybody = self.committee, list(self.committee.present)
        committee.propose(everybody, committee.threshold)
        seats = self._seats(everybody, [Digest(committee.digests[at]) for at in everybody])
        members = [list(seat) for seat in seats]
        said = {"committee": 2, "threshold": committee.threshold, "members": members}
        self.place("Gatekeeping.Proposed", None, self.chain.number - 1, **said)
        session = committee.begin_handover(everybody[: committee.threshold])
        agreed = {"signatures": self._signed(HandoverRecord(session), everybody[: committee.threshold])}
        self.place("Gatekeeping.Opened", ("begin_handover", agreed), self.chain.number, session=session)
        committee.run_handover(by)
        self._place_transcript()
        signatures = self._signed(self._outcome(committee.share_keys), everybody if by is None else by)
        call = {"old_signatures": signatures, "new_signatures": signatures}
        keys = list(committee.share_keys)
        said = {"genesis": committee.network, "master_key": committee.master_key, "share_keys": keys}
        self.place("Gatekeeping.Completed", ("hand_over", call), self.chain.number, **said)

    def make_beacon(self) -> None:
        """The present committee's beacon key, by a ceremony in which all take part, and the value of a window."""
        opened, members = self.chain.mine(), len(self.committee.present)
        session = compute_beacon_session(self.committee.network, self.committee.committee_number, opened)
        numbers = tuple(range(1, members + 1))
        ceremony = DkgSession(
            self.committee.network, session, self.committee.threshold, numbers, numbers, insecure=True
        )
        said = {"session": session, "committee": self.committee.committee_number}
        self.place("Beacon.Opened", None, opened, **said)
        dealers = [DkgMember(ceremony, keccak256(b"beacon" + bytes((at,))), at, at) for at in numbers]

        def say(kind: int, messages: Sequence[Any]) -> None:
            for at, message in enumerate(messages):
                signing = self.committee.cores[at]._state.keys.signing  # type: ignore[union-attr]
                data = sign_message(ceremony, at, message, signing)
                self.place("Beacon.Transcript", None, None, session=session, member=at, kind=kind, data=data)

        announced = [one.announce() for one in dealers]
        dealt = [one.reveal(announced) for one in dealers]
        say(1, announced)
        say(2, dealt)
        say(3, [Complaints(one.complain(announced, dealt)) for one in dealers])
        judgement = judge(ceremony, announced, dealt, ())
        group, keys = judgement.committee.group, [key for _, key in judgement.committee.shares]
        record = BeaconKeyRecord(session, keccak256(group), keccak256(b"".join(keys)))
        digest = record.digest(CHAIN_ID, self.address("Beacon"))
        signatures = [core._state.keys.signing.sign(digest) for core in self.committee.cores]  # type: ignore[union-attr]
        recorded = {"committee": self.committee.committee_number, "beacon_key": group, "share_keys": keys}
        self.place("Beacon.Completed", ("complete", {"signatures": signatures}), None, **recorded)
        height = self.chain.number + BEACON_WINDOW - self.chain.number % BEACON_WINDOW
        while self.chain.number <= height + 3 * BEACON_WINDOW:
            self.chain.mine()
        round_ = BeaconRound(self.committee.network, height, True)
        parts = [sign_beacon(one.finish(judgement, dealt), round_) for one in dealers]
        signature = combine_beacon(judgement.committee, round_, parts).signature
        number = self.committee.committee_number
        self.place("Beacon.Posted", None, None, height=height, committee=number, signature=signature)
        source = parse_header(self.chain.headers[height + 2 * BEACON_WINDOW + BEACON_WINDOW])
        self.place("Beacon.FellBack", None, None, height=height + BEACON_WINDOW, prevrandao=source.prevrandao)

    # ---- workers

    def admit(self, number: int, signing: PrivateKey | None = None, by: Sequence[int] | None = None) -> TestWorker:
        """A worker with keys of the test's, admitted by real gatekeepers."""
        signing, operator = signing or key(300 + number), key(200 + number)
        chain, sealing = self.chain, keccak256(b"sealing" + bytes((number,)))
        newest = chain.number
        claims = ReportClaims(
            compute_configuration_hash(chain.configuration),
            self.address("Registry"),
            operator.address,
            signing.public_key,
            sealing,
            chain.block_hash(1),
            chain.block_hash(newest),
            newest,
        )
        quote = attester(b"worker" + bytes((number,))).quote(claims.compute(), chain.timestamp)
        evidence = encode_evidence(quote.with_extra(SIGNING_KEY, signing.public_key))
        first = (chain.block_hash(1), 1, newest, chain.block_hash(newest))
        request = m.Admit(1, operator.address, signing.address, signing.public_key, sealing, evidence, *first)
        signed = self.committee.ask_all(request, self.committee.present if by is None else by)
        admission = Admission(*(getattr(signed[0], field.name) for field in fields(Admission)))
        worker = compute_worker_id(operator.address, admission.platform)
        call = {"signatures": [one.signature for one in signed]}
        said = {"worker": worker, "operator": operator.address, "signer": signing.address, "evidence": evidence}
        self.place("Registry.Admitted", ("admit", call), None, admission=list(astuple(admission)), **said)
        return TestWorker(number, worker, signing, operator)

    def distrust(self, subject: bytes) -> None:
        """The guardian distrusts a vendor's root, a measurement or a platform, for good."""
        self.place("Registry.Distrusted", None, None, subject=subject, until=2**256 - 1)

    def revoke(self, worker: TestWorker) -> None:
        """The guardian ends a worker."""
        self.place("Registry.Revoked", None, None, worker=worker.worker, signer=worker.key.address, equivocation=False)

    # ---- clusters

    def create(self, name: bytes = b"cluster", quorum: int = 1) -> ClusterId:
        """A cluster in its first epoch."""
        cluster = ClusterId(keccak256(b"a " + name))
        terms = {"quorum": quorum, "fast_quorum": quorum, "dispute_window": 0, "open": True, "runtime": RUNTIME}
        self.place("Clusters.Created", None, None, cluster=cluster, owner=key(9).address, **terms)
        self.heads[cluster], self.epochs[cluster], self.handles[cluster] = [], [], 0
        self.quorums[cluster], self.runtimes[cluster] = quorum, RUNTIME
        self.settled[cluster] = (0, StateRoot(ZERO), 0)
        self.raise_epoch(cluster)
        return cluster

    def join(self, cluster: ClusterId, worker: TestWorker) -> None:
        """A worker becomes a member."""
        epoch = len(self.epochs[cluster])
        said = {"cluster": cluster, "worker": worker.worker, "operator": worker.operator.address, "epoch": epoch}
        self.place("Clusters.Joined", None, None, **said)
        self.link(cluster, LinkKind.MEMBER, b"joined", self.chain.number)

    def remove(self, cluster: ClusterId, worker: TestWorker) -> None:
        """A membership ends."""
        epoch = len(self.epochs[cluster])
        said = {"cluster": cluster, "worker": worker.worker, "operator": worker.operator.address, "epoch": epoch}
        self.place("Clusters.Removed", None, None, **said)
        self.link(cluster, LinkKind.MEMBER, b"left", self.chain.number)

    def link(
        self,
        cluster: ClusterId,
        kind: int = LinkKind.SUBMIT,
        payload: bytes = b"input",
        at: int | None = None,
        items: int = 1,
    ) -> None:
        """One more link; of a good one each item has a fuel limit of 1."""
        number, index = self.chain.mine() if at is None else at, len(self.heads[cluster])
        header = parse_header(self.chain.headers[number])
        said: dict[str, Any] = {
            "index": index,
            "kind": int(kind),
            "origin": key(90).address,
            "payer": key(90).address,
            "item_count": items if kind < LinkKind.EPOCH else 0,
            "fuel_limit": items if kind < LinkKind.EPOCH else 0,
            "fee_limit": 0,
        }
        link = Link(
            **said, block_number=number, timestamp=header.timestamp, prevrandao=header.prevrandao, payload=payload
        )
        before = compute_genesis_head(CHAIN_ID, self.address("Inbox"), cluster)
        self.heads[cluster].append(compute_head(self.heads[cluster][-1] if index else before, link))
        self.place("Inbox.Link", None, number, cluster=cluster, payload=payload, **said)

    def announce_runtime(self, cluster: ClusterId, runtime: RuntimeId, delay: int = 60) -> None:
        """The owner says what the next epochs run, and the delay passes."""
        ready = GENESIS_TIME + 12 * (self.chain.number + 1) + delay
        self.place("Clusters.RuntimeAnnounced", None, None, cluster=cluster, runtime=runtime, ready=ready)
        while self.chain.timestamp < ready:
            self.chain.mine()

    def raise_epoch(self, cluster: ClusterId, runtime: RuntimeId | None = None) -> int:
        """New keys from the next link on, and another runtime where one is given."""
        number, start, epoch = self.chain.mine(), len(self.heads[cluster]), len(self.epochs[cluster]) + 1
        if runtime is not None:
            self.runtimes[cluster] = runtime
            self.place("Clusters.RuntimeSwitched", None, number, cluster=cluster, epoch=epoch, runtime=runtime)
        quorum = self.quorums[cluster]
        terms = [epoch, self.runtimes[cluster], quorum, quorum]
        payload = abi.encode(["uint256", "bytes32", "uint256", "uint256"], terms)
        self.link(cluster, LinkKind.EPOCH, payload, number)
        self.epochs[cluster].append(start)
        said = {"cluster": cluster, "epoch": len(self.epochs[cluster]), "link": start, "sender": key(9).address}
        self.place("Clusters.EpochRaised", None, number, **said)
        return len(self.epochs[cluster])

    def settle(
        self, cluster: ClusterId, to: int, by: Sequence[TestWorker], epoch: int | None = None, **changed: Any
    ) -> None:
        """A receipt up to ``to`` links, signed by some workers; ``changed`` fields are signed and sent all the same."""
        first, root, number = self.settled[cluster]
        block = self.chain.number
        receipt = Receipt(
            self.committee.network,
            cluster,
            epoch or len(self.epochs[cluster]),
            self.runtimes[cluster],
            first,
            to,
            self.heads[cluster][to - 1],
            root,
            StateRoot(keccak256(b"root" + bytes((to,)))),
            keccak256(b"outputs" + bytes((to,))),
            block,
            self.chain.block_hash(block),
        )
        receipt = replace(receipt, **changed)
        digest = receipt.digest(CHAIN_ID, self.address("Settlement"))
        ordered = sorted(by, key=lambda one: one.key.address)
        call = {"receipt": list(astuple(receipt)), "signatures": [one.key.sign(digest) for one in ordered]}
        self.place(
            "Settlement.Settled",
            ("settle", call),
            None,
            cluster=cluster,
            receipt_number=number,
            first=receipt.first,
            to=receipt.to,
            new_root=receipt.new_root,
            outputs_root=receipt.outputs_root,
            signers=[one.worker for one in ordered],
            final_block=self.chain.number,
        )
        self.settled[cluster] = (to, receipt.new_root, number + 1)

    def close(self, cluster: ClusterId, by: Sequence[TestWorker], holder: PrivateKey) -> None:
        """Closes all epochs but the present one, at the newest receipt."""
        count, root, _ = self.settled[cluster]
        epoch, checkpoint = len(self.epochs[cluster]), Digest(keccak256(b"checkpoint"))
        network = self.committee.network
        boundary = Boundary(network, cluster, epoch, count, self.heads[cluster][count - 1], root, checkpoint)
        clusters = self.address("Clusters")
        ordered = sorted(by, key=lambda one: one.key.address)
        held = holder.sign(HeldRecord(network, cluster, checkpoint).digest(CHAIN_ID, clusters))
        signatures = [one.key.sign(boundary.digest(CHAIN_ID, clusters)) for one in ordered]
        self.place(
            "Clusters.EpochsClosed",
            ("close_epochs", {"signatures": signatures, "holders": [[0, ZERO, held]]}),
            None,
            cluster=cluster,
            epoch=epoch,
            count=count,
            root=root,
            checkpoint=checkpoint,
            signers=[one.worker for one in ordered],
            holders=[holder.address],
        )

    def instantiate(self, cluster: ClusterId, name: bytes, policy: UpgradePolicy = FROZEN) -> ProgramId:
        """A program."""
        code, salt, owner = CodeHash(keccak256(name)), keccak256(b"salt"), key(8).address
        program = compute_program_id(CHAIN_ID, self.address("Programs"), owner, code, cluster, salt, policy.digest())
        handle, self.handles[cluster] = self.handles[cluster], self.handles[cluster] + 1
        said = {"program": program, "cluster": cluster, "owner": owner, "code_hash": code, "handle": handle}
        self.place("Programs.Instantiated", ("instantiate", {"salt": salt}), None, policy=policy.digest(), **said)
        self.link(cluster, LinkKind.INSTANTIATE, name, self.chain.number)
        return program

    def upgrade(
        self, cluster: ClusterId, program: ProgramId, policy: UpgradePolicy, voters: Sequence[PrivateKey]
    ) -> None:
        """Other code for a program: announced with votes, waited for, executed."""
        code, announced = CodeHash(keccak256(b"new code")), self.chain.number + 1
        ready = GENESIS_TIME + 12 * announced + policy.delay
        digest = upgrade_digest(CHAIN_ID, self.address("Programs"), program, 0, code, 7)
        call = {"policy": list(policy.fields), "votes": [one.sign(digest) for one in voters]}
        said = {"program": program, "number": 0, "code_hash": code, "fuel_limit": 7}
        expires = ready + EXECUTION_WINDOW
        self.place("Programs.Announced", ("announce", call), None, ready=ready, expires=expires, **said)
        while self.chain.timestamp < ready:
            self.chain.mine()
        link = len(self.heads[cluster])
        self.link(cluster, LinkKind.UPGRADE, b"upgrade")
        number = self.chain.number
        self.place("Programs.Upgraded", None, number, program=program, number=1, code_hash=code, link=link)

    def input_key(self, cluster: ClusterId, program: ProgramId, by: Sequence[TestWorker]) -> None:
        """The present epoch's input key of a program."""
        epoch, public = len(self.epochs[cluster]), keccak256(b"input" + program)
        keys = [ProgramKey(program, INPUT_KEY, public)]
        record = ProgramKeysRecord(self.committee.network, cluster, epoch, compute_keys_hash(keys))
        ordered = sorted(by, key=lambda one: one.key.address)
        digest = record.digest(CHAIN_ID, self.address("Programs"))
        signatures = [one.key.sign(digest) for one in ordered]
        call = ("publish_keys", {"keys": [list(astuple(one)) for one in keys], "signatures": signatures})
        self.place("Programs.InputKeyPublished", call, None, program=program, epoch=epoch, key=public)
        signers = [one.worker for one in ordered]
        said = {"cluster": cluster, "epoch": epoch, "signers": signers}
        self.place("Programs.KeysPublished", call, self.chain.number, **said)


def begin(network: Network) -> Replay:
    """An audit that has read nothing yet."""
    return Replay(AuditState(network, PHASE_BLOCKS, beacon=Beacon(PHASE_BLOCKS, BEACON_WINDOW)))


def replay(network: Network, records: Sequence[Record]) -> Replay:
    """An audit of these records up to their end, without the storage at the end."""
    found = begin(network)
    for record in records:
        found.take(record)
    check_complete(found.state)
    return found


def audit(world: World) -> Replay:
    """An audit of a world as it is."""
    return replay(world.network, world.records())
