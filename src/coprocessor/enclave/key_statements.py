"""What a member's enclave signs about its programs' public keys, each derived here (PROTOCOL 4.4).

A list of many programs' keys goes under one signature, for ``Programs.publish_keys``; of each single input key the
enclave also signs what it would dispute another one with. The cluster's own id stands for its code key.
"""

from __future__ import annotations

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave import messages as m
from coprocessor.enclave.programs import Program, ProgramTable
from coprocessor.keys.derivation import ClusterKeys
from coprocessor.protocol.statements import (
    ACCOUNT_SIGNER,
    INPUT_KEY,
    MAX_PROGRAM_KEYS,
    InputKeyRecord,
    ProgramKey,
    ProgramKeysRecord,
    compute_keys_hash,
)
from coprocessor.values.errors import CallerMisuse, EvidenceRefused
from coprocessor.values.identities import Address, ClusterId, NetworkId, ProgramId, checked_digest

__all__ = ["KeyStatements"]


class KeyStatements:
    """Signs keys of one cluster.

    Args:
        network: 32 bytes.
        cluster: 32 bytes.
        chain_id: of the chain.
        contract: 20 bytes, ``Programs``.
        signing: the enclave's key.
        programs: of the cluster.
    """

    def __init__(
        self,
        network: NetworkId,
        cluster: ClusterId,
        chain_id: int,
        contract: Address,
        signing: PrivateKey,
        programs: ProgramTable,
    ) -> None:
        self._network = network
        self._cluster = cluster
        self._chain_id = chain_id
        self._contract = contract
        self._signing = signing
        self._programs = programs

    def sign_list(self, message: m.SignKeys, present: ClusterKeys) -> m.KeysSigned:
        """The keys of the present epoch that are asked for, under one signature.

        Raises:
            CallerMisuse: of another epoch, none, or too many (``keys.list``), or of an unknown kind (``keys.kind``).
            EvidenceRefused: a program is not the cluster's (``keys.program``).
        """
        epoch = present.identity.epoch
        if message.kind not in (INPUT_KEY, ACCOUNT_SIGNER):
            raise CallerMisuse("keys.kind", f"there are no keys of kind {message.kind}")
        if message.epoch != epoch or not 0 < len(message.programs) <= MAX_PROGRAM_KEYS:
            raise CallerMisuse(
                "keys.list",
                f"{len(message.programs)} keys of epoch {message.epoch} are asked for",
                f"1 to {MAX_PROGRAM_KEYS} of epoch {epoch} are signed here",
                "try again in a moment",
            )
        programs = [ProgramId(checked_digest(program, "program")) for program in message.programs]
        derive = self._input_key if message.kind == INPUT_KEY else self._account_signer
        keys = [ProgramKey(program, message.kind, derive(program, present)) for program in programs]
        record = ProgramKeysRecord(self._network, self._cluster, epoch, compute_keys_hash(keys))
        signature = self._signing.sign(record.digest(self._chain_id, self._contract))
        return m.KeysSigned(epoch, tuple(key.key for key in keys), signature)

    def sign_all(self, present: ClusterKeys) -> list[m.InputKeySigned]:
        """The cluster's code key, and the input key of every program that runs."""
        programs = [program.origin.program for program in self._programs.alive()]
        return [self.sign_one(program, present) for program in (ProgramId(self._cluster), *programs)]

    def sign_one(self, program: ProgramId, present: ClusterKeys) -> m.InputKeySigned:
        """One input key of the present epoch. Raises EvidenceRefused (``keys.program``)."""
        epoch, key = present.identity.epoch, self._input_key(program, present)
        record = InputKeyRecord(self._network, self._cluster, program, epoch, key)
        return m.InputKeySigned(program, epoch, key, self._signing.sign(record.digest(self._chain_id, self._contract)))

    def _input_key(self, program: ProgramId, present: ClusterKeys) -> bytes:
        if program == ProgramId(self._cluster):
            return present.private_code_key.public_key
        return self._known(program).present.input_key.public_key

    def _account_signer(self, program: ProgramId, _: ClusterKeys) -> bytes:
        """PROTOCOL 8.7: the address of the signer of this epoch, as a word."""
        return self._known(program).present.keys.account_key.address.rjust(32, b"\0")

    def _known(self, program: ProgramId) -> Program:
        found = self._programs.by_id(program)
        if found is None:
            raise EvidenceRefused("keys.program", f"no program 0x{program.hex()} is of this cluster")
        return found
