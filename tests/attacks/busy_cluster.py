"""A cluster at work on a stage: two programs, commands, queries, epochs; and all ciphertexts that come of it.

One program is public with its constructor's arguments in clear, the other private with sealed arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coprocessor.codec import abi
from coprocessor.crypto.aead import NONCE_LENGTH, pad_to_bucket
from coprocessor.crypto.hashing import hmac_sha256, keccak256
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.checkpoint import Manifest, _nonce, _place
from coprocessor.enclave.sealed_state import _Writer
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.keys.release import _seal_context, decode_request, decode_response
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, method_selector, seal_command
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.output_body import decode_output_body
from coprocessor.protocol.outputs import Status, derive_output_keys, open_output
from coprocessor.protocol.private_code import (
    CodePlace,
    compute_commitment,
    derive_code_salt,
    public_interface,
    seal_code,
)
from coprocessor.protocol.queries import Query, QueryReply, _info, open_reply, seal_query
from coprocessor.protocol.sealed_init import InitPlace, seal_init
from coprocessor.protocol.system import compute_program_id
from coprocessor.sandbox.engine import Engine
from coprocessor.sandbox.package import CodePackage, compute_content_digest, encode_package
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache
from coprocessor.values.identities import Address, ClusterId, CodeHash, ProgramId
from tests.attacks.sealed import Sealed, hpke, siv, tried
from tests.enclave.stage import RUNTIME, Stage, Worker, ask
from tests.enclave.test_worker import INTERFACE, leaf_of, u64
from tests.support.fake_chain import CHAIN_ID, key

__all__ = ["AUTHOR", "BusyCluster", "Program"]

OWNER, AUTHOR = key(60), key(70)
FUEL = 10_000_000
_INIT_HEAD = 24
_BOUNDARY = ("epoch", "count", "inbox_head", "root", "checkpoint")
_WASM = (Path(__file__).parents[2] / "examples" / "c_counter" / "counter.wasm").read_bytes()
_PACKAGE = CodePackage("wasm", INTERFACE, _WASM)


@dataclass(frozen=True)
class Program:
    """A deployed counter: its id and its handle."""

    id: ProgramId
    handle: int


class BusyCluster:
    """One cluster of a network.

    Args:
        stage: the network.
        engine: runs the guests.
        name: distinguishes it and its machines.
    """

    def __init__(self, stage: Stage, engine: Engine, name: bytes) -> None:
        self.stage, self.chain, self.engine, self.name = stage, stage.chain, engine, name
        self.network = stage.committee.network
        self.id = ClusterId(keccak256(name))
        self.objects: list[Sealed] = []
        self.codes: list[m.Code] = []
        self.programs: list[Program] = []
        self.statuses: list[str] = []
        self.pieces: list[bytes] = []
        self.epoch, self.nonce = 1, 0
        self.chain.append_epoch(RUNTIME, 1, self.id)
        self.chain.mine()
        self.everybody: list[Worker] = []
        self.workers: list[Worker] = []
        self.join(name, [1])
        self.deploy(private=False)
        self.deploy(private=True)

    @property
    def worker(self) -> Worker:
        """The first member."""
        return self.workers[0]

    def identity(self, epoch: int) -> ClusterIdentity:
        """What the gatekeepers sign for an epoch."""
        return ClusterIdentity(self.network, self.id, epoch, insecure=True)

    # ---- members

    def join(self, name: bytes, epochs: list[int], reached: m.BoundaryReached | None = None) -> Worker:
        """A member that holds the keys of some epochs and begins at a boundary or at the genesis; what its machine
        keeps on disk is an object too."""
        worker = Worker(self.stage, self.engine, name, cluster=self.id)
        self.everybody.append(worker)
        worker.admit()
        for epoch in epochs:
            self.take_keys(worker, epoch)
        for code in self.codes:
            ask(worker.core, code)
        if reached is not None:
            self._restore(worker, reached)
        worker.follow()
        self.workers.append(worker)
        cache = SealedCache(worker.machine.seal_key(b"code-cache"), RUNTIME)
        kept = cache.seal(CacheKind.COMPILED, bytes(32), b"native code", keccak256(name))

        def open_cache(word: bytes) -> bytes | None:
            return SealedCache(word, RUNTIME).open(CacheKind.COMPILED, bytes(32), kept)

        self.objects.append(Sealed("cache", self.id, epochs[-1], (), open_cache))
        return worker

    def _restore(self, worker: Worker, reached: m.BoundaryReached) -> None:
        self.stage.sync(worker.core)
        ask(worker.core, self.chain.proof(*(("Clusters", slot) for slot in self._boundary_slots())))
        for piece in self.pieces:
            ask(worker.core, m.RestorePiece(piece))
        ask(worker.core, m.Restore(reached.manifest))

    def _boundary_slots(self) -> list[bytes]:
        return [layout.cluster_boundary(self.id, field) for field in _BOUNDARY]

    def leave(self, worker: Worker) -> None:
        """As ``Clusters.remove`` records it."""
        self.chain.set("Clusters", layout.cluster_member(self.id, worker.id), 0)
        self.chain.append(LinkKind.MEMBER, b"", self.id)
        self.chain.mine()
        self.workers.remove(worker)

    def take_keys(self, worker: Worker, epoch: int) -> None:
        """The keys of an epoch; the parts that pass over the wire are objects."""
        request = worker.request(epoch)
        released = self.stage.committee.ask_all(m.Release(request))
        asked = decode_request(request)
        for one in released:
            answer = decode_response(one.partial)
            info = _seal_context(asked, answer.index)
            at = (self.id, epoch)
            self.objects.append(hpke("partial", at, (), asked.answer_key, answer.sealed, info, answer.index))
        worker.hand_over(tuple(one.partial for one in released), epoch)

    def key_of(self, subject: bytes, epoch: int | None = None) -> bytes:
        """A program's input key or the cluster's code key, as a member has signed it."""
        signed = [one for worker in self.everybody for one in worker.notices if isinstance(one, m.InputKeySigned)]
        return next(one.key for one in signed if (one.program, one.epoch) == (subject, epoch or self.epoch))

    def follow(self) -> None:
        """All members do what there is to do."""
        for worker in self.workers:
            worker.follow()

    # ---- programs

    def deploy(self, *, private: bool) -> Program:
        """A counter that begins at 5."""
        handle, published, init = len(self.programs), encode_package(_PACKAGE), u64(5)
        at = (self.id, self.epoch)
        if private:
            code_key = self.key_of(self.id)
            place = CodePlace(self.network, self.id, self.epoch, OWNER.address)
            content = compute_content_digest(_PACKAGE)
            salt = derive_code_salt(OWNER, self.network, self.id, content)
            clear = (_PACKAGE.language, public_interface(INTERFACE))
            record = seal_code(published, compute_commitment(salt, content), salt, clear, place, code_key)
            self.objects.append(hpke("code", at, ("code",), code_key, record.sealed, record.info(self.network)))
            published = record.encode()
        code_hash = CodeHash(keccak256(bytes(32) + keccak256(published)))
        programs = self.chain.configuration.contract("Programs").address
        salt = bytes(31) + bytes((handle,))
        program = compute_program_id(CHAIN_ID, programs, OWNER.address, code_hash, self.id, salt, bytes(32))
        if private:
            where = InitPlace(self.network, self.id, self.epoch, program)
            init = seal_init(init, where, code_key)
            self.objects.append(hpke("init", at, ("code",), code_key, init[_INIT_HEAD:], where.info()))
        self.codes.append(m.Code(code_hash, (published,)))
        types = ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"]
        values = [program, handle, OWNER.address, code_hash, bytes(32), FUEL, [], init]
        self.chain.append(LinkKind.INSTANTIATE, abi.encode(types, values), self.id)
        self.chain.mine()
        for worker in self.workers:
            ask(worker.core, self.codes[-1])
        self.follow()
        self.programs.append(Program(program, handle))
        return self.programs[-1]

    # ---- work

    def call(self, program: Program, epoch: int | None = None, author: PrivateKey = AUTHOR) -> Link:
        """A command that adds one, sealed to an epoch's key (the present one by default); executed by all members."""
        epoch, self.nonce = epoch or self.epoch, self.nonce + 1
        secret = derive_reply_secret(author, self.network, program.id, self.nonce)
        command = Command(method_selector("add"), u64(1), self.nonce, self.chain.timestamp + 3600, FUEL, 0, secret)
        chain, payer = self.chain, author.address
        where = Destination(self.network, CHAIN_ID, chain.inbox, program.id, epoch, LinkKind.SUBMIT, payer)
        input_key = self.key_of(program.id, epoch)
        sealed = seal_command(command, where, author, input_key)
        info = where.info(FUEL, 0)
        self.objects.append(hpke("input", (self.id, epoch), ("input", program.id), input_key, sealed, info))
        payload = encode_items([ClearItem(program.handle, FUEL, 0, sealed)])
        fields = {"item_count": 1, "fuel_limit": FUEL, "origin": payer, "payer": payer}
        link = chain.append(LinkKind.SUBMIT, payload, self.id, **fields)
        chain.mine()
        self.follow()
        self._keep_output(link, secret)
        return link

    def _keep_output(self, link: Link, secret: bytes) -> None:
        done = next(one for one in self.workers[-1].executed() if one.index == link.index)
        (output,) = done.outputs
        self.statuses.append(output.void_rule or Status(output.status).name)
        leaf, network, at = leaf_of(link, output), self.network, done.link_hash

        def open_with(word: bytes) -> bytes | None:
            return tried(lambda: open_output(output.output, derive_output_keys(word, network, at, 0), leaf, network))

        assert output.void_rule or open_with(secret) is not None
        if not output.void_rule:
            self.objects.append(Sealed("output", self.id, self.epoch, (), open_with))

    def query(self, program: Program, worker: Worker | None = None) -> int:
        """What a member answers."""
        worker, chain = worker or self.workers[-1], self.chain
        input_key = self.key_of(program.id)
        slot = layout.input_key(program.id, self.epoch)
        chain.set("Programs", slot, input_key)
        chain.mine()
        worker.follow()
        record = ("Registry", layout.registry_worker_of(Address(worker.booted.signer)))
        ask(worker.core, chain.proof(("Programs", slot), record))
        secret = keccak256(b"query" + self.name + chain.number.to_bytes(8, "big"))
        query = Query(method_selector("get"), b"", chain.number, chain.block_hash(), secret)
        sealed = seal_query(query, self.network, program.id, self.epoch, input_key)
        info, at = _info(self.network, program.id, self.epoch), (self.id, self.epoch)
        self.objects.append(hpke("query", at, ("input", program.id), input_key, sealed, info))
        answer: m.Answer = ask(worker.core, m.Query(1, program.id, sealed, 1000))
        reply, network = QueryReply.decode(answer.reply), self.network

        def open_with(word: bytes) -> bytes | None:
            return tried(lambda: open_reply(reply.sealed_result, word, network, reply.query_digest))

        self.objects.append(Sealed("reply", *at, (), open_with))
        opened = open_with(secret)
        assert opened is not None
        return int.from_bytes(decode_output_body(opened).result, "little")

    def keep_state(self) -> None:
        """The sealed entries to which the present state root commits, as the root's maker sealed them."""
        core = self.workers[-1].core._cluster
        assert core is not None
        for name, state in core._state.programs():
            for entry, value, place in state.kept():
                keys = core._epochs.keys(place.epoch)
                assert keys is not None
                writer = _Writer(self.network, keys.program(name))
                where = place.link.to_bytes(8, "big") + place.position.to_bytes(4, "big") + place.path
                nonce = hmac_sha256(keys.program(name).state_nonce_key, where)[:NONCE_LENGTH]
                padded = pad_to_bucket(len(entry).to_bytes(2, "big") + entry + value)
                bound = writer._bound + place.path
                ciphertext = writer._cipher.seal(nonce, padded, bound)
                at = (self.id, place.epoch)
                self.objects.append(siv("state", at, ("state", name), nonce, ciphertext, bound))

    # ---- epochs

    def raise_epoch(self) -> int:
        """A new epoch, whose keys the members take."""
        self.epoch += 1
        self.chain.append_epoch(RUNTIME, self.epoch, self.id)
        self.chain.mine()
        self.follow()
        for worker in self.workers:
            self.take_keys(worker, self.epoch)
            worker.work()
        return self.epoch

    def let_grace_pass(self, blocks: int) -> m.BoundaryReached:
        """Until older keys are over; the checkpoint there is an object."""
        for _ in range(blocks + 1):
            self.chain.mine()
        self.chain.append(LinkKind.MEMBER, b"", self.id)
        self.chain.mine()
        self.follow()
        notices = self.workers[-1].notices
        reached = next(one for one in reversed(notices) if isinstance(one, m.BoundaryReached))
        before = notices[: notices.index(reached)]
        count = len(Manifest.decode(reached.manifest).pieces)
        pieces = [one.sealed for one in before if isinstance(one, m.CheckpointPiece)][-count:]
        self.pieces = pieces
        lock = ("checkpoint", reached.count, reached.inbox_head)
        for at, piece in enumerate(pieces):
            where = (self.id, reached.epoch)
            self.objects.append(siv("checkpoint", where, lock, _nonce(at), piece, _place(at, count)))
        return reached

    def close(self, reached: m.BoundaryReached) -> None:
        """As ``Clusters.close_epochs`` records it; members erase older keys."""
        chain = self.chain
        chain.set("Clusters", layout.cluster_field(self.id, "first_open"), reached.epoch)
        for field, slot in zip(_BOUNDARY, self._boundary_slots(), strict=True):
            chain.set("Clusters", slot, getattr(reached, field))
        chain.mine()
        for worker in self.workers:
            self.stage.sync(worker.core)
            ask(worker.core, chain.proof(("Clusters", layout.cluster_field(self.id, "first_open"))))
            worker.work()
