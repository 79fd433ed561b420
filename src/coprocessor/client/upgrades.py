"""Changing a program's code: announcing it, taking it back, having it take effect (PROTOCOL 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coprocessor.chain.code import compute_code_hash, publish_code, split_code
from coprocessor.client.chain_state import wait_for
from coprocessor.client.private_code import seal_package
from coprocessor.client.programs import ProgramRecord
from coprocessor.client.session import Session, SettledReceipt
from coprocessor.client.settled import fetch_settled_output, find_settled_receipt
from coprocessor.client.versions import look_at_versions
from coprocessor.codec import strict_json
from coprocessor.crypto.secp256k1 import PrivateKey, recover_address
from coprocessor.protocol.interface import UPGRADE_METHOD, Interface, parse_interface
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.upgrade_policy import (
    FROZEN,
    MAX_DELAY,
    MAX_POLICY_KEYS,
    PolicyKind,
    UpgradePolicy,
    upgrade_digest,
    withdrawal_digest,
)
from coprocessor.sandbox.package import CodePackage, encode_package
from coprocessor.values.errors import CallerMisuse, GuestFailed, MalformedInput
from coprocessor.values.identities import Address, CodeHash, from_hex, to_hex

__all__ = [
    "UPGRADE_FUEL",
    "Change",
    "Executed",
    "announce",
    "announcement_number",
    "compare_interfaces",
    "execute",
    "known_policy",
    "parse_policy",
    "publish_next",
    "sign_upgrade",
    "withdraw",
]

UPGRADE_FUEL = 50_000_000_000
"""Fuel limit of a method ``upgrade`` unless told otherwise."""

_MAX_POLICY_FILE = 16_384


@dataclass(frozen=True, slots=True)
class Change:
    """How a method differs: ``sign`` is ``+`` for a new one, ``-`` for one that goes, ``~`` for another signature."""

    sign: str
    signature: str


@dataclass(frozen=True, slots=True)
class Executed:
    """An upgrade that took effect: its link, and the fuel of its method ``upgrade``."""

    link: int
    fuel: int


def parse_policy(text: str) -> UpgradePolicy:
    """``frozen``, ``timelock:SECONDS`` or ``votes:FILE``; the file holds {"threshold", "delay", "keys": ["0x…"]}.

    Raises:
        CallerMisuse: anything else (``policy.option``).
    """
    kind, _, rest = text.partition(":")
    try:
        if text == "frozen":
            return FROZEN
        if kind == "timelock" and rest.isascii() and rest.isdecimal() and len(rest) <= len(str(MAX_DELAY)):
            return UpgradePolicy.timelock(int(rest))
        if kind == "votes" and rest:
            return _read_votes(Path(rest))
    except (OSError, ValueError, TypeError, KeyError, MalformedInput) as error:
        raise _no_policy(text, str(error)) from error
    raise _no_policy(text, "")


def _read_votes(path: Path) -> UpgradePolicy:
    if not path.is_file():
        raise OSError("there is no such file")
    with path.open("rb") as file:
        fields = strict_json.loads(file.read(_MAX_POLICY_FILE + 1), _MAX_POLICY_FILE)
    if set(fields) != {"threshold", "delay", "keys"} or type(fields["threshold"]) is not int:
        raise ValueError("the file has other fields")
    if type(fields["delay"]) is not int or type(fields["keys"]) is not list:
        raise ValueError("delay is a number of seconds, keys are a list")
    keys = [Address(from_hex(key, 20, "key")) for key in fields["keys"]]
    return UpgradePolicy.votes(keys, fields["threshold"], fields["delay"])


def _no_policy(text: str, why: str) -> CallerMisuse:
    return CallerMisuse(
        "policy.option",
        f"{text[:80]!r} is no upgrade policy",
        why[:300],
        f"frozen, timelock:SECONDS (1 to {MAX_DELAY}), or votes:FILE with threshold, delay and up to {MAX_POLICY_KEYS}"
        " keys",
    )


def compare_interfaces(before: Interface, after: Interface) -> list[Change]:
    """What callers will find changed, by name; constructors run no more."""

    def offered(interface: Interface) -> dict[str, str]:
        methods = [method for method in interface.methods.values() if method.kind != "init"]
        return {method.name: f"{method.kind} {method.signature}" for method in methods if method.name != UPGRADE_METHOD}

    old, new = offered(before), offered(after)
    changes = [Change("-", old[name]) for name in sorted(old.keys() - new.keys())]
    changes += [Change("~", new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
    return changes + [Change("+", new[name]) for name in sorted(new.keys() - old.keys())]


async def known_policy(session: Session, record: ProgramRecord) -> UpgradePolicy:
    """The program's policy, where it allows upgrades and is known.

    Raises:
        CallerMisuse: the program is frozen (``upgrade.frozen``), or its policy was never disclosed
            (``upgrade.undisclosed``).
    """
    policy = (await look_at_versions(session, record)).policy
    if policy is None:
        raise CallerMisuse(
            "upgrade.undisclosed",
            f"nobody has disclosed what the policy {to_hex(record.policy)} stands for",
            next="whoever deployed the program discloses it: Programs.disclose",
        )
    if policy.kind is PolicyKind.FROZEN:
        raise CallerMisuse(
            "upgrade.frozen",
            f"program {to_hex(record.program)} is frozen: its code never changes",
            "it was deployed so, and nobody can loosen that",
            "deploy the new code as another program",
        )
    return policy


async def publish_next(
    session: Session, record: ProgramRecord, package: CodePackage, author: PrivateKey, private: bool, send: bool = True
) -> CodeHash:
    """Publishes the code of the next version, unless ``send`` is false; its hash. Private code is sealed to the
    cluster, for the program's owner alone.

    Raises:
        CallerMisuse: its method ``upgrade`` takes arguments, or private code of somebody else (``upgrade.method``,
            ``upgrade.owner``).
    """
    method = parse_interface(package.interface).upgrade
    if method is not None and method.parameters:
        raise CallerMisuse("upgrade.method", f"{method.signature} takes arguments; the cluster gives it none")
    if private:
        if author.address != record.owner:
            raise CallerMisuse(
                "upgrade.owner", "private code is sealed for the program's owner alone", next="name the owner's key"
            )
        code_key = await session.programs.code_key(record.cluster)
        published = seal_package(session.network_id, package, author, record.cluster, code_key).code.encode()
    else:
        published = encode_package(package)
    if not send:
        return compute_code_hash(split_code(published))
    return await publish_code(session.sender(author), session.contracts["Programs"], published)


async def announcement_number(session: Session, record: ProgramRecord) -> int:
    """How many upgrades of a program were announced: the next vote names this number."""
    return int(await session.contracts["Programs"].read("announcement_counts", record.program))


async def sign_upgrade(
    session: Session, record: ProgramRecord, code_hash: CodeHash, fuel_limit: int, voter: PrivateKey
) -> bytes:
    """A vote, 65 bytes, for the next announcement."""
    number = await announcement_number(session, record)
    chain_id, programs = session.target.network.configuration.chain_id, session.contracts["Programs"].address
    return voter.sign(upgrade_digest(chain_id, programs, record.program, number, code_hash, fuel_limit))


async def announce(
    session: Session,
    record: ProgramRecord,
    code_hash: CodeHash,
    fuel_limit: int,
    author: PrivateKey,
    votes: Sequence[bytes] = (),
) -> int:
    """Announces published code as a program's next version; from when on it can be executed, seconds since 1970.

    Args:
        record: of the program.
        code_hash: 32 bytes.
        fuel_limit: of its method ``upgrade``.
        author: sends and pays; the owner, where the policy is a timelock.
        votes: 65 bytes each, in any order; none for a timelock.

    Raises:
        CallerMisuse: as ``known_policy``.
        TransactionReverted: the author is not the owner, votes are missing, or another upgrade waits.
    """
    policy = await known_policy(session, record)
    number = await announcement_number(session, record)
    chain_id, programs = session.target.network.configuration.chain_id, session.contracts["Programs"]
    signed = upgrade_digest(chain_id, programs.address, record.program, number, code_hash, fuel_limit)
    call = programs.encode(
        "announce", record.program, policy.fields, code_hash, fuel_limit, _ascending(policy, signed, votes)
    )
    sent = await session.sender(author).send(programs.address, call)
    return int(programs.events(sent.logs, "Announced")[0]["ready"])


async def withdraw(
    session: Session, record: ProgramRecord, author: PrivateKey, voters: Sequence[PrivateKey] = ()
) -> None:
    """Takes the announced upgrade back. Raises as ``announce``; CallerMisuse where none waits (``upgrade.none``)."""
    policy = await known_policy(session, record)
    programs = session.contracts["Programs"]
    waiting = await programs.read("announcements", record.program)
    if not waiting[1]:
        raise CallerMisuse("upgrade.none", f"no upgrade of {to_hex(record.program)} is announced")
    chain_id = session.target.network.configuration.chain_id
    signed = withdrawal_digest(chain_id, programs.address, record.program, int(waiting[4]))
    votes = _ascending(policy, signed, [voter.sign(signed) for voter in voters])
    call = programs.encode("withdraw", record.program, policy.fields, votes)
    await session.sender(author).send(programs.address, call)


async def execute(session: Session, record: ProgramRecord, author: PrivateKey, timeout: float) -> Executed:
    """Has the announced upgrade take effect, and waits until its outcome is settled. Anybody may.

    Raises:
        TransactionReverted: none waits, or it is too early or too late.
        GuestFailed: the cluster refused the code and goes on with the present one (``upgrade.refused``).
        PeerUnreachable: no worker has settled it (``upgrade.timeout``).
    """
    programs = session.contracts["Programs"]
    sent = await session.sender(author).send(programs.address, programs.encode("execute", record.program))
    link = int(programs.events(sent.logs, "Upgraded")[0]["link"])

    async def look() -> SettledReceipt | None:
        return await find_settled_receipt(session, record.cluster, link)

    receipt = await wait_for(
        look,
        timeout,
        "upgrade.timeout",
        f"the upgrade of {to_hex(record.program)} is on the chain at link {link}, but no worker has settled it",
        "see with `phat status` whether a worker lives",
    )
    served = (await fetch_settled_output(session, record.cluster, receipt, link, 0)).served
    if served.leaf.status != Status.OK:
        raise GuestFailed(
            "upgrade.refused",
            f"the new code of {to_hex(record.program)} does not take over: {served.output.decode('utf-8', 'replace')}",
            next="mend it and announce it again; the present code goes on",
        )
    return Executed(link, served.leaf.fuel)


def _ascending(policy: UpgradePolicy, signed: bytes, votes: Sequence[bytes]) -> list[bytes]:
    """Votes in the order in which the contract takes them."""
    if policy.kind is not PolicyKind.VOTES:
        return []
    from_keys = sorted((recover_address(signed, vote), vote) for vote in votes)
    strangers = [to_hex(key) for key, _ in from_keys if key not in policy.keys]
    if strangers or len({key for key, _ in from_keys}) < policy.threshold:
        raise CallerMisuse(
            "upgrade.votes",
            f"{policy.threshold} of the policy's {len(policy.keys)} keys must sign, {len(from_keys)} did",
            f"not keys of the policy: {', '.join(strangers)}" if strangers else "",
            "a vote counts for one announcement: the code, its fuel, and the number of announcements before it",
        )
    return list(dict(from_keys).values())
