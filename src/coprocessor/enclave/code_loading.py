"""From a code hash in a link to a program in the executor: the first version, and those that follow it (PROTOCOL 12).

Rules enforced:
1. Everything is a function of the link, the published code and the state before it, and so is the public reason for
   what cannot be a program.
2. A program whose first code cannot be loaded is dead. One whose next code cannot be loaded keeps what it has.
3. A program whose present code cannot be loaded under the cluster's next runtime is dead from the switch on: which
   runtime is the cluster's to say, not the program's.
"""

from __future__ import annotations

from dataclasses import replace

from coprocessor.enclave.code_opening import CodeOpener, not_runnable
from coprocessor.enclave.epochs import Epochs
from coprocessor.enclave.executor_port import Executor
from coprocessor.enclave.programs import CodeStore, Program, ProgramEpoch
from coprocessor.protocol.interface import parse_interface
from coprocessor.protocol.links import Link, LinkKind
from coprocessor.protocol.private_code import is_private_code
from coprocessor.protocol.system import Instantiation, decode_instantiation, decode_upgrade
from coprocessor.sandbox.executor_messages import LoadFailed
from coprocessor.sandbox.package import CodePackage
from coprocessor.values.errors import CoprocessorError, InternalError
from coprocessor.values.identities import CodeHash, NetworkId

__all__ = ["CodeLoader"]


class CodeLoader:
    """Makes programs of published code for one cluster.

    Args:
        network: 32 bytes.
        epochs: which have begun; their keys.
        executor: runs guests.
        codes: published packages.
    """

    def __init__(self, network: NetworkId, epochs: Epochs, executor: Executor, codes: CodeStore) -> None:
        self._network = network
        self._epochs = epochs
        self._executor = executor
        self._codes = codes

    def missing(self, link: Link) -> CodeHash | None:
        """The code that a link needs and that is not here, or None."""
        if link.kind == LinkKind.INSTANTIATE:
            code_hash = decode_instantiation(link.payload).code_hash
        elif link.kind == LinkKind.UPGRADE:
            code_hash = decode_upgrade(link.payload).code_hash
        else:
            return None
        return code_hash if self._codes.get(code_hash) is None else None

    def begin(self, origin: Instantiation, timestamp: int) -> tuple[Program, bytes, str]:
        """The program, its constructor's arguments, and for a dead one the public reason (rule 2)."""
        published = self._published(origin.code_hash)
        acceptable = self._epochs.acceptable(timestamp)
        keys = [self._epochs.needed(epoch).program(origin.program) for epoch in acceptable]
        dead = Program(
            origin=origin,
            epochs=tuple(ProgramEpoch.of(one) for one in keys),
            code_hash=origin.code_hash,
            package=None,
            is_private=is_private_code(published),
            has_constructor=False,
            is_alive=False,
        )
        opener = self._opener(timestamp)
        try:
            package = opener.open(published, origin)
            arguments = opener.open_init(origin)
        except CoprocessorError as error:
            return dead, b"", str(error)
        program, reason = self._load(dead, package)
        if reason:
            self._executor.unload(origin.program)
        return program, b"" if reason else arguments, reason

    def succeed(self, program: Program, code_hash: CodeHash, timestamp: int) -> tuple[Program, str]:
        """A living program with the code that follows its present one, loaded; or the program as it was, and the public
        reason (rule 2). The executor runs whichever is returned, with the state that the program has."""
        published = self._published(code_hash)
        bare = replace(program, code_hash=code_hash, is_private=is_private_code(published))
        try:
            package = self._opener(timestamp).open(published, program.origin)
        except CoprocessorError as error:
            return program, str(error)
        successor, reason = self._load(bare, package)
        if not reason:
            return successor, ""
        self._executor.restore(program)
        return program, reason

    def move(self, program: Program) -> Program:
        """A living program under the executor's new runtime, with its state; dead where its code does not load there,
        which every replica finds alike."""
        package = program.package
        assert package is not None
        moved, reason = self._load(program, package)
        if reason:
            self._executor.unload(program.origin.program)
        else:
            self._executor.give_state(program.origin.program)
        return moved

    def _load(self, program: Program, package: CodePackage) -> tuple[Program, str]:
        """The program with that code, running; or why not."""
        try:
            constructor = parse_interface(package.interface).init is not None
        except CoprocessorError as error:
            return program, str(not_runnable() if program.is_private else error)
        loaded = replace(program, package=package, has_constructor=constructor, is_alive=True)
        refusal = self._give_code(loaded, package)
        if not refusal:
            return loaded, ""
        return replace(loaded, is_alive=False), str(not_runnable()) if program.is_private else refusal

    def _give_code(self, program: Program, package: CodePackage) -> str:
        """Gives the code to the executor; why it cannot be a program, or nothing."""
        reply = self._executor.load(program)
        if isinstance(reply, LoadFailed):
            return f"{reply.code}: {reply.message}"
        if package.language == "python" and reply.interface != package.interface:
            return "package.interface: the published interface is not the one that the code has"
        return ""

    def _published(self, code_hash: CodeHash) -> bytes:
        code = self._codes.get(code_hash)
        if code is None:
            raise InternalError("code.missing", f"code 0x{code_hash.hex()} was not asked for in time")
        return code

    def _opener(self, timestamp: int) -> CodeOpener:
        acceptable = self._epochs.acceptable(timestamp)
        keys = {epoch: self._epochs.needed(epoch).private_code_key for epoch in acceptable}
        return CodeOpener(self._network, self._epochs.needed(self._epochs.current).identity.cluster, keys)
