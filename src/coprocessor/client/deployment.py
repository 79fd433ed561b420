"""Deploying a program: package, publish, instantiate, and wait until the cluster runs it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coprocessor.chain.code import publish_code
from coprocessor.client.arguments import check_fields
from coprocessor.client.chain_state import wait_for
from coprocessor.client.instantiation import instantiate
from coprocessor.client.journal import author_folder
from coprocessor.client.private_code import Instance, Opening, SealedPackage, seal_arguments, seal_package
from coprocessor.client.programs import InputKey
from coprocessor.client.session import Session, SettledReceipt
from coprocessor.client.settled import fetch_settled_output, find_settled_receipt
from coprocessor.client.unfinished import Note, Plan, deployment_note
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.protocol.interface import Interface, parse_interface
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.upgrade_policy import FROZEN, UpgradePolicy
from coprocessor.sandbox.package import CodePackage, encode_package
from coprocessor.values.errors import CallerMisuse, GuestFailed
from coprocessor.values.identities import ClusterId, CodeHash, ProgramId, from_hex, to_hex
from coprocessor.values.limits import MAX_CALLEES, MAX_FUEL

__all__ = ["DEPLOY_SECONDS", "DeployOptions", "Deployment", "deploy", "encode_init", "open_package"]

DEPLOY_SECONDS = 300.0
"""How long to wait until a deployed program runs."""


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How a program is deployed.

    Args:
        cluster: 32 bytes, or None for the one that the network's file hints at.
        salt: 32 bytes that separate instances of one owner and code; random where None, and then a deployment that was
            cut short goes on when it is asked for again (``client.unfinished``).
        callees: programs of the same cluster that it may call (PROTOCOL 5.4).
        fuel: limit of the constructor.
        timeout: seconds to wait until it runs.
        private: code and constructor arguments are sealed to the cluster.
        seal_init: the constructor's arguments are, also where the code is public.
        policy: who may change the code later; part of the program's id, for good (PROTOCOL 12).
    """

    cluster: ClusterId | None = None
    salt: bytes | None = None
    callees: Sequence[ProgramId] = field(default_factory=tuple)
    fuel: int = 50_000_000_000
    timeout: float = DEPLOY_SECONDS
    private: bool = False
    seal_init: bool = False
    policy: UpgradePolicy = FROZEN

    def __post_init__(self) -> None:
        check_fields(self)
        for value, name in ((self.cluster, "cluster"), (self.salt, "salt"), *((it, "callee") for it in self.callees)):
            if value is not None and len(value) != 32:
                raise CallerMisuse("client.argument", f"DeployOptions: {name} must have 32 bytes, not {len(value)}")
        if len(self.callees) > MAX_CALLEES or not 0 < self.fuel <= MAX_FUEL:
            what = f"at most {MAX_CALLEES} callees, and a fuel limit between 1 and {MAX_FUEL}"
            raise CallerMisuse("client.argument", f"DeployOptions: {what}")


@dataclass(frozen=True, slots=True)
class Deployment:
    """A running program: its id, its code's hash, the link that made it, and gas that publishing and making it cost.

    ``epoch`` is that of the key to which code or arguments were sealed, 0 where nothing was; ``opening`` shows which
    source private code was made from, None where the code is public.
    """

    program: ProgramId
    code_hash: CodeHash
    cluster: ClusterId
    link: int
    gas: int
    epoch: int = 0
    opening: Opening | None = None


def open_package(path: str | Path) -> CodePackage:
    """The package of a project: a Python file or folder, or a ``.wasm`` with its ``.interface.json``.

    Loads the code in the sandbox, which takes seconds the first time (``guest_cache``).

    Raises:
        CallerMisuse: there is no such file (``deploy.not_found``).
        CoprocessorError: as ``sandbox.project`` tells of code that cannot be loaded.
    """
    file = Path(path)
    try:
        is_there = file.is_file() or file.is_dir()  # never a device, which may have no end
    except (OSError, ValueError):  # a name that no file can have
        is_there = False
    if not is_there:
        raise CallerMisuse("deploy.not_found", f"there is no {file}", next="give a .py file, a folder or a .wasm file")
    from coprocessor.client.guest_cache import cached_guest  # loads the engine
    from coprocessor.sandbox.project import build_package

    return build_package(file, cached_guest)


async def deploy(
    session: Session, package: CodePackage, owner: PrivateKey, init: Mapping[str, Any] | bytes, options: DeployOptions
) -> Deployment:
    """Publishes code, makes a program of it and waits until its constructor's outcome is settled.

    Args:
        session: where.
        package: the code.
        owner: deploys and pays.
        init: the constructor's arguments by name, or already encoded.
        options: see there.

    Raises:
        GuestFailed: the code cannot be loaded there, or the constructor failed (``deploy.failed``).
        PeerUnreachable: its outcome is not known yet (``deploy.timeout``); the same deployment again goes on with it.
        CallerMisuse: arguments do not fit (``interface.argument``).
    """
    arguments = init if isinstance(init, bytes) else encode_init(parse_interface(package.interface), init)
    cluster = options.cluster or _hinted_cluster(session)
    programs, sender = session.contracts["Programs"], session.sender(owner)
    code_key = None
    if options.private or options.seal_init:
        code_key = await session.programs.code_key(cluster, options.timeout)
    sealed: SealedPackage | None = None
    if options.private and code_key is not None:
        sealed = seal_package(session.network_id, package, owner, cluster, code_key)
    published = encode_package(package) if sealed is None else sealed.code.encode()
    code_hash = await publish_code(sender, programs, published)
    policy = options.policy.digest()
    if options.policy != FROZEN:
        await sender.send(programs.address, programs.encode("disclose", options.policy.fields))
    plan = Plan(owner.address, code_hash, cluster, options.callees, arguments, options.fuel, policy)
    with _note(session, plan, options.salt, is_sealed=code_key is not None) as note:
        instance = Instance(owner.address, code_hash, cluster, note.salt, policy)
        if code_key is not None:
            arguments = seal_arguments(arguments, session.target.network, instance, code_key)
        call = programs.encode(
            "instantiate", code_hash, cluster, note.salt, policy, list(options.callees), arguments, options.fuel
        )
        made = await instantiate(session, sender, call, instance, note.has_begun)
        try:
            await _check_constructor(session, made.program, cluster, made.link, options.timeout)
        except GuestFailed:
            note.end()
            raise
        note.end()
    opening = None if sealed is None else sealed.opening
    return Deployment(made.program, code_hash, cluster, made.link, made.gas, _epoch(code_key), opening)


def _note(session: Session, plan: Plan, salt: bytes | None, is_sealed: bool) -> AbstractContextManager[Note]:
    """What it goes by. Sealed arguments differ each time, so a deployment that was cut short is not known again."""
    if salt is not None or is_sealed:
        return contextlib.nullcontext(Note(salt or secrets.token_bytes(32)))
    return deployment_note(author_folder(session.target), plan)


def _epoch(code_key: InputKey | None) -> int:
    return 0 if code_key is None else code_key.epoch


def encode_init(interface: Interface, named: Mapping[str, Any]) -> bytes:
    """The constructor's arguments by name; nothing where the program has no constructor."""
    method = interface.init
    if method is not None:
        return method.encode_arguments((), named)
    if named:
        raise CallerMisuse("interface.argument", f"{interface.name} has no constructor that takes {', '.join(named)}")
    return b""


async def _check_constructor(
    session: Session, program: ProgramId, cluster: ClusterId, link: int, timeout: float
) -> None:
    async def look() -> SettledReceipt | None:
        return await find_settled_receipt(session, cluster, link)

    receipt = await wait_for(
        look,
        timeout,
        "deploy.timeout",
        f"program {to_hex(program)} is on the chain, but no worker has settled it",
        "see with `phat status` whether a worker lives; the program comes up when one does",
    )
    output = await fetch_settled_output(session, cluster, receipt, link, 0)
    if output.served.leaf.status != Status.OK:
        reason = output.served.output.decode("utf-8", "replace")
        raise GuestFailed("deploy.failed", f"program {to_hex(program)} did not come up: {reason}")


def _hinted_cluster(session: Session) -> ClusterId:
    hint = session.target.hints.get("cluster")
    if not isinstance(hint, str):
        raise CallerMisuse("deploy.cluster", "the network file names no cluster", next="name one (--cluster ID)")
    return ClusterId(from_hex(hint, 32, "cluster"))
