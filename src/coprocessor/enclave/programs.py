"""The programs of a cluster: what they are, their keys, and their place in the executor.

A program comes to be by its ``INSTANTIATE`` link and is a pure function of it: code, owner, policy, callees. Code
counts only if its rolling hash is the one in the link. A program whose code cannot be loaded, or whose constructor
fails, is dead: it keeps its id, and everything sent to it is void. ``UPGRADE`` links put other code in the place of the
present one (PROTOCOL 12); id, owner, keys and state stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from coprocessor.codec import cbor
from coprocessor.crypto.hashing import keccak256, sha256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.keys.derivation import ProgramKeys
from coprocessor.protocol.system import Instantiation
from coprocessor.sandbox.executor_messages import LoadProgram, SetSecrets
from coprocessor.sandbox.package import CodePackage
from coprocessor.values.errors import EvidenceRefused, MalformedInput
from coprocessor.values.identities import CodeHash, Digest, ProgramId

__all__ = ["MAX_CODE_BYTES", "MAX_CODE_CHUNKS", "CodeStore", "Program", "ProgramEpoch", "ProgramTable"]

MAX_CODE_CHUNKS = 64
MAX_CODE_BYTES = 6 * 1024 * 1024
"""Bytes of one code package as published."""


class CodeStore:
    """Published code packages, by code hash."""

    def __init__(self) -> None:
        self._packages: dict[CodeHash, bytes] = {}

    def add(self, code_hash: CodeHash, chunks: Sequence[bytes]) -> None:
        """Keeps a package whose chunks fold to ``code_hash``.

        Raises:
            MalformedInput: too many or too long.
            EvidenceRefused: another package.
        """
        if not 0 < len(chunks) <= MAX_CODE_CHUNKS or sum(map(len, chunks)) > MAX_CODE_BYTES:
            raise MalformedInput("code.size", f"code has 1 to {MAX_CODE_CHUNKS} chunks, {MAX_CODE_BYTES} bytes at most")
        rolling = CodeHash(bytes(32))
        for chunk in chunks:
            rolling = CodeHash(keccak256(rolling + keccak256(chunk)))
        if rolling != code_hash:
            raise EvidenceRefused("code.hash", f"the chunks fold to 0x{rolling.hex()}, not to 0x{code_hash.hex()}")
        self._packages[code_hash] = b"".join(chunks)

    def keep(self, code_hash: CodeHash, package: bytes) -> None:
        """Takes a package from a checkpoint, whose digest the cluster's members have signed."""
        self._packages[code_hash] = package

    def get(self, code_hash: CodeHash) -> bytes | None:
        """The package, or None while it is not known."""
        return self._packages.get(code_hash)


@dataclass(frozen=True, slots=True)
class ProgramEpoch:
    """A program's keys of one epoch; those that each item needs are derived once."""

    epoch: int
    keys: ProgramKeys
    input_key: SealingKey
    nonce_key: bytes = field(repr=False)

    @staticmethod
    def of(keys: ProgramKeys) -> ProgramEpoch:
        """From the epoch's keys."""
        return ProgramEpoch(keys.identity.epoch, keys, keys.input_key, keys.nonce_path_key)


@dataclass(frozen=True, slots=True)
class Program:
    """An instance of published code.

    Args:
        origin: the content of the link that made it.
        epochs: its keys by epoch, the present one first.
        code_hash: 32 bytes, of its present version.
        package: its code, or None where that is no package, or does not open.
        is_private: the code was published sealed; nothing of it may leave the enclave.
        has_constructor: the interface names an ``init`` method.
        is_alive: it may be called.
    """

    origin: Instantiation
    epochs: tuple[ProgramEpoch, ...]
    code_hash: CodeHash
    package: CodePackage | None = field(repr=False)
    is_private: bool
    has_constructor: bool
    is_alive: bool

    @property
    def present(self) -> ProgramEpoch:
        """Its keys of the present epoch."""
        return self.epochs[0]

    def of_epoch(self, epoch: int) -> ProgramEpoch | None:
        """Its keys of an epoch, where they are held."""
        return next((one for one in self.epochs if one.epoch == epoch), None)

    def rekeyed(self, keys: ProgramKeys) -> Program:
        """The same program in a new epoch."""
        return replace(self, epochs=(ProgramEpoch.of(keys), *self.epochs))

    def without_epochs_before(self, first_open: int) -> Program:
        """The same program without keys of closed epochs."""
        return replace(self, epochs=tuple(one for one in self.epochs if one.epoch >= first_open))

    def record(self) -> Digest:
        """What the state root commits to beside the entries: 32 bytes."""
        origin = self.origin
        fields = [origin.program, origin.handle, origin.owner, self.code_hash, origin.policy]
        return sha256(cbor.dumps([*fields, list(origin.callees), self.is_alive]))

    def load_request(self) -> LoadProgram:
        """What the executor needs to run it."""
        assert self.package is not None
        keys = self.present.keys
        return LoadProgram(
            program=self.origin.program,
            language=self.package.language,
            code=self.package.payload,
            callees=self.origin.callees,
            application_secret=keys.application_secret,
            account_secret=keys.account_key.secret,
            query_account_secret=keys.query_account_key.secret,
            private_owner=self.origin.owner if self.is_private else None,
        )


    def secrets_request(self) -> SetSecrets:
        """What the executor needs when an epoch begins."""
        keys = self.present.keys
        return SetSecrets(
            program=self.origin.program,
            application_secret=keys.application_secret,
            account_secret=keys.account_key.secret,
            query_account_secret=keys.query_account_key.secret,
        )


class ProgramTable:
    """The programs of a cluster by id and by handle."""

    def __init__(self) -> None:
        self._by_id: dict[ProgramId, Program] = {}
        self._by_handle: dict[int, ProgramId] = {}

    def add(self, program: Program) -> None:
        """A program comes to be, alive or dead."""
        self._by_id[program.origin.program] = program
        self._by_handle[program.origin.handle] = program.origin.program

    def put(self, program: Program) -> None:
        """A program has changed; its id and handle have not."""
        self._by_id[program.origin.program] = program

    def bury(self, program: ProgramId) -> Program:
        """Marks a program as dead and returns it."""
        dead = replace(self._by_id[program], is_alive=False)
        self._by_id[program] = dead
        return dead

    def change(self, how: Callable[[Program], Program]) -> None:
        """Replaces every program, alive or dead, by what ``how`` makes of it."""
        for identifier, program in self._by_id.items():
            self._by_id[identifier] = how(program)

    def in_order(self) -> list[Program]:
        """All programs, alive or dead, in the order of their handles."""
        return [self._by_id[self._by_handle[handle]] for handle in sorted(self._by_handle)]

    def by_id(self, program: ProgramId) -> Program | None:
        """The program, or None."""
        return self._by_id.get(program)

    def by_handle(self, handle: int) -> Program | None:
        """The program, or None."""
        program = self._by_handle.get(handle)
        return None if program is None else self._by_id[program]

    def alive(self) -> list[Program]:
        """All that may be called, in the order of their handles."""
        return [program for program in self.in_order() if program.is_alive]
