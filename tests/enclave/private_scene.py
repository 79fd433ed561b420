"""A stage on which private programs are deployed: a worker that can run Python, and an owner with a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave import messages as m
from coprocessor.protocol import layout
from coprocessor.protocol.commands import Command, Destination, derive_reply_secret, method_selector, seal_command
from coprocessor.protocol.items import ClearItem, encode_items
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.output_body import OutputBody, decode_output_body
from coprocessor.protocol.outputs import derive_output_keys, open_output
from coprocessor.protocol.private_code import (
    CodePlace,
    PrivateCode,
    compute_commitment,
    derive_code_salt,
    public_interface,
    seal_code,
)
from coprocessor.protocol.queries import Query, QueryReply, open_reply, seal_query
from coprocessor.protocol.sealed_init import InitPlace, seal_init
from coprocessor.protocol.system import compute_program_id, compute_request_id
from coprocessor.sandbox.engine import CompiledModule, Engine
from coprocessor.sandbox.package import CodePackage, compute_content_digest, encode_package
from coprocessor.sandbox.project import read_interface
from coprocessor.sandbox.python_guest import bundle_files, guest_digest
from coprocessor.sandbox.sealed_cache import CacheKind, SealedCache
from coprocessor.values.identities import Address, CodeHash, ProgramId
from tests.enclave.stage import RUNTIME, Stage, Worker, ask
from tests.enclave.test_worker import leaf_of
from tests.support.fake_chain import CHAIN_ID, CLUSTER, key

OWNER, STRANGER = key(60), key(62)
FUEL = 10_000_000_000


@dataclass(frozen=True)
class Deployed:
    """An instance: its id, handle, and the link that made it."""

    program: ProgramId
    handle: int
    link: Link


class PrivateScene:
    """One worker that follows a chain on which tests deploy what they like."""

    def __init__(self, engine: Engine, guest: CompiledModule) -> None:
        self.engine, self.guest = engine, guest
        self.stage = Stage()
        self.chain = self.stage.chain
        self.network = self.stage.committee.network
        self.chain.append_epoch(RUNTIME)
        self.chain.mine()
        self.codes: list[m.Code] = []
        self.worker = self.start_worker(b"worker")
        self.code_key = self._signed_key(CLUSTER)
        self.count = 0

    def start_worker(self, name: bytes) -> Worker:
        """A worker with keys and the Python guest, as far as the chain goes."""
        worker = Worker(self.stage, self.engine, name)
        worker.admit()
        cache = SealedCache(worker.machine.seal_key(b"code-cache"), RUNTIME)
        sealed = cache.seal(CacheKind.COMPILED, guest_digest(), self.guest.serialize(), bytes(32))
        worker.take_keys()
        ask(worker.core, m.PrepareGuest("python", RUNTIME, sealed))
        for code in self.codes:
            ask(worker.core, code)
        worker.follow()
        return worker

    def package(self, source: str, interface: bytes | None = None) -> CodePackage:
        """The package of a Python source; its interface by loading it, or as given where it cannot be loaded."""
        packed = bundle_files({"contract.py": source.encode()})
        return CodePackage("python", interface or read_interface(self.guest, packed), packed)

    def place(self, **changes: Any) -> CodePlace:
        """Where the owner's code belongs."""
        fields = {"network": self.network, "cluster": CLUSTER, "epoch": 1, "owner": OWNER.address} | changes
        return CodePlace(**fields)

    def seal(self, package: CodePackage, place: CodePlace | None = None, **changes: Any) -> PrivateCode:
        """The package sealed; ``changes`` replace commitment, interface or key."""
        content = compute_content_digest(package)
        salt = derive_code_salt(OWNER, self.network, CLUSTER, content)
        return seal_code(
            encode_package(package),
            changes.get("commitment", compute_commitment(salt, content)),
            salt,
            (changes.get("language", package.language), changes.get("interface", public_interface(package.interface))),
            place or self.place(),
            changes.get("key", self.code_key),
        )

    def program_id(self, published: bytes, owner: Address, salt: bytes = bytes(32)) -> ProgramId:
        """The id that ``Programs`` would give."""
        programs = self.chain.configuration.contract("Programs").address
        return compute_program_id(CHAIN_ID, programs, owner, _code_hash(published), CLUSTER, salt, bytes(32))

    def deploy(
        self,
        published: bytes,
        init: bytes = b"[]",
        owner: Address = OWNER.address,
        salt: bytes = bytes(32),
        callees: tuple[ProgramId, ...] = (),
    ) -> Deployed:
        """Publishes and instantiates; the worker follows."""
        program, handle = self.program_id(published, owner, salt), self.count
        self.count += 1
        self.codes.append(m.Code(_code_hash(published), (published,)))
        types = ["bytes32", "uint256", "address", "bytes32", "bytes32", "uint256", "bytes32[]", "bytes"]
        values = [program, handle, owner, _code_hash(published), bytes(32), FUEL, list(callees), init]
        link = self.chain.append(LinkKind.INSTANTIATE, abi.encode(types, values))
        self.chain.mine()
        ask(self.worker.core, self.codes[-1])
        self.worker.follow()
        return Deployed(program, handle, link)

    def seal_init(self, arguments: bytes, published: bytes, salt: bytes = bytes(32)) -> bytes:
        """Constructor arguments for the owner's instance of published code."""
        place = InitPlace(self.network, CLUSTER, 1, self.program_id(published, OWNER.address, salt))
        return seal_init(arguments, place, self.code_key)

    def output(self, link: Link, worker: Worker | None = None) -> m.ItemOutput:
        """The only output of a link."""
        done = next(done for done in (worker or self.worker).executed() if done.index == link.index)
        return done.outputs[0]

    def call(self, deployed: Deployed, method: str, arguments: bytes = b"[]", author: Any = OWNER) -> OutputBody:
        """A command, as its author reads its output."""
        nonce = len(self.chain.links)
        secret = derive_reply_secret(author, self.network, deployed.program, nonce)
        command = Command(method_selector(method), arguments, nonce, self.chain.timestamp + 3600, FUEL, 0, secret)
        where = Destination(
            self.network, CHAIN_ID, self.chain.inbox, deployed.program, 1, LinkKind.SUBMIT, author.address
        )
        sealed = seal_command(command, where, author, self._signed_key(deployed.program))
        payload = encode_items([ClearItem(deployed.handle, FUEL, 0, sealed)])
        payer = author.address
        link = self.chain.append(
            LinkKind.SUBMIT, payload, item_count=1, fuel_limit=FUEL, origin=payer, payer=payer
        )
        self.chain.mine()
        self.worker.follow()
        done = next(done for done in self.worker.executed() if done.index == link.index)
        keys = derive_output_keys(secret, self.network, done.link_hash, 0)
        opened = open_output(done.outputs[0].output, keys, leaf_of(link, done.outputs[0]), self.network)
        return decode_output_body(opened)

    def request(self, deployed: Deployed, method: str, arguments: bytes = b"", caller: Address | None = None) -> bytes:
        """A smart contract's request; its public output."""
        caller = caller or key(85).address
        request = compute_request_id(CHAIN_ID, self.chain.inbox, CLUSTER, len(self.chain.links))
        types = ["bytes32", "uint256", "bytes32", "bytes4", "uint256", "bytes"]
        values = [deployed.program, deployed.handle, request, method_selector(method), 100_000, arguments]
        link = self.chain.append(
            LinkKind.REQUEST, abi.encode(types, values), item_count=1, fuel_limit=FUEL, origin=caller, payer=caller
        )
        self.chain.mine()
        self.worker.follow()
        return self.output(link).output

    def query(self, deployed: Deployed, method: str, arguments: bytes = b"[]") -> OutputBody:
        """A nameless caller's query."""
        input_key = self._signed_key(deployed.program)
        slot = layout.input_key(deployed.program, 1)
        self.chain.set("Programs", slot, input_key)
        self.chain.mine()
        self.worker.follow()
        signer = ("Registry", layout.registry_worker_of(Address(self.worker.booted.signer)))
        ask(self.worker.core, self.chain.proof(("Programs", slot), signer))
        query = Query(method_selector(method), arguments, self.chain.number, self.chain.block_hash(), b"\x07" * 32)
        sealed = seal_query(query, self.network, deployed.program, 1, input_key)
        answer: m.Answer = ask(self.worker.core, m.Query(1, deployed.program, sealed, 5000))
        assert answer.failure is None, answer.failure
        reply = QueryReply.decode(answer.reply)
        opened = open_reply(reply.sealed_result, query.reply_secret, self.network, reply.query_digest)
        return decode_output_body(opened)

    def _signed_key(self, subject: bytes) -> bytes:
        signed = [notice for notice in self.worker.notices if isinstance(notice, m.InputKeySigned)]
        return next(notice.key for notice in signed if notice.program == subject)


def _code_hash(published: bytes) -> CodeHash:
    return CodeHash(keccak256(bytes(32) + keccak256(published)))
