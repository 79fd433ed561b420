"""``vectors/commands.json``: what an author signs and seals, and why an item is void (PROTOCOL 3.2, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.codec import abi
from coprocessor.codec.eip712 import Domain
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.hpke import SealingKey
from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.enclave.epochs import GRACE_SECONDS, BegunEpoch, Epochs
from coprocessor.enclave.judgement import Bench, VoidItem, judge_link
from coprocessor.enclave.nonces import NonceSet
from coprocessor.enclave.programs import Program, ProgramEpoch, ProgramTable
from coprocessor.keys.derivation import ClusterKeys, ProgramKeys
from coprocessor.keys.identity import ClusterIdentity
from coprocessor.protocol.commands import (
    COMMAND_OVERHEAD,
    Command,
    Destination,
    derive_reply_secret,
    method_selector,
    open_command,
)
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.system import Instantiation
from coprocessor.values.identities import Address, ClusterId, CodeHash, NetworkId, ProgramId, RuntimeId
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw
from tests.vectors.inbox import link_of

TYPE = (
    b"Command(bytes32 program,uint64 epoch,bytes4 method,bytes32 argumentsDigest,uint64 nonce,uint64 deadline,"
    b"uint64 fuelLimit,uint128 feeLimit,bytes32 replySecretDigest)"
)


def _named(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: raw(value) if isinstance(value, str) else value for name, value in given.items()}


def _digest(given: Mapping[str, Any]) -> dict[str, Any]:
    asked, goal = Command(**_named(given["command"])), Destination(**_named(given["destination"]))
    digests = keccak256(asked.arguments), keccak256(asked.reply_secret)
    words = [keccak256(TYPE), goal.program, goal.epoch, asked.method, digests[0], asked.nonce, asked.deadline]
    words += [asked.fuel_limit, asked.fee_limit, digests[1]]
    kinds = ["bytes32", "bytes32", "uint64", "bytes4", "bytes32", *["uint64"] * 3, "uint128", "bytes32"]
    struct_hash = keccak256(abi.encode(kinds, words))
    separator = Domain(goal.chain_id, goal.inbox).separator()
    digest = asked.digest(goal)
    assert digest == keccak256(b"\x19\x01" + separator + struct_hash)
    return {
        "type_hash": keccak256(TYPE),
        "arguments_digest": digests[0],
        "reply_secret_digest": digests[1],
        "struct_hash": struct_hash,
        "domain_separator": separator,
        "digest": digest,
        "info": goal.info(asked.fuel_limit, asked.fee_limit),
    }


def _selector(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"selector": method_selector(given["method"])}


def _reply_secret(given: Mapping[str, Any]) -> dict[str, Any]:
    author = PrivateKey(raw(given["author_secret"]))
    network, program = NetworkId(raw(given["network"])), ProgramId(raw(given["program"]))
    return {
        "author": author.address,
        "reply_secret": derive_reply_secret(author, network, program, given["nonce"]),
    }


def _open(given: Mapping[str, Any]) -> dict[str, Any]:
    key, goal = SealingKey(raw(given["input_secret"])), Destination(**_named(given["destination"]))
    sealed, limits = raw(given["sealed"]), (given["fuel_limit"], given["fee_limit"])
    opened = open_command(sealed, goal, key, *limits)
    return {
        "info": goal.info(*limits),
        "plaintext": key.open(sealed, goal.info(*limits)),
        "author": opened.author,
        "command": opened.command,
        "overhead": len(sealed) - len(opened.command.arguments),
    }


def make_program(origin: Instantiation, keys: ProgramKeys, is_alive: bool) -> Program:
    """A public program without code."""
    return Program(
        origin=origin,
        epochs=(ProgramEpoch.of(keys),),
        code_hash=origin.code_hash,
        package=None,
        is_private=False,
        has_constructor=False,
        is_alive=is_alive,
    )


def _judge(given: Mapping[str, Any]) -> dict[str, Any]:
    """Outcome of every item of a link; ``spent`` nonces are of the same program."""
    network, cluster = NetworkId(raw(given["network"])), ClusterId(raw(given["cluster"]))
    identity = ClusterIdentity(network, cluster, given["epoch"], given["insecure"])
    keys = ClusterKeys(raw(given["cluster_secret"]), identity).program(ProgramId(raw(given["program"])))
    origin = Instantiation(
        keys.program, given["handle"], Address(bytes(20)), CodeHash(bytes(32)), bytes(32), 0, (), b""
    )
    table = ProgramTable()
    table.add(make_program(origin, keys, given["alive"]))
    nonces = NonceSet()
    for author, nonce, deadline in given["spent"]:
        nonces.spend(keys.nonce_path_key, Address(raw(author)), nonce, deadline)
    inbox = Address(raw(given["inbox"]))
    epochs = Epochs(GRACE_SECONDS)
    epochs.begin(BegunEpoch(given["epoch"], 0, 0, RuntimeId(bytes(32))))
    bench = Bench(network, given["chain_id"], inbox, epochs, table, nonces)
    items = []
    for item in judge_link(link_of(given["link"]), bench):
        if isinstance(item, VoidItem):
            items.append({"position": item.position, "program": item.program, "void": item.rule})
        else:
            items.append({"position": item.position, "author": item.opened.author})
    return {"items": items}


def _sealing_cases() -> list[Case]:
    goal = world.destination(LinkKind.SUBMIT, world.AUTHORS[0].address)
    asked = world.command(0, b"[5]")
    sealed = world.sealed(0, b"[5]", goal)
    opening = {
        "sealed": sealed,
        "destination": goal,
        "input_secret": world.PROGRAM_KEYS.input_key.secret,
        "fuel_limit": world.FUEL_LIMIT,
        "fee_limit": world.FEE_LIMIT,
    }
    elsewhere = plain(goal) | {"origin": plain(world.RELAYER.address)}
    info = goal.info(world.FUEL_LIMIT, world.FEE_LIMIT)
    public = world.PROGRAM_KEYS.input_key.public_key
    short = world.hpke_seal(bytes(97), public, info, "short")
    unsigned = world.hpke_seal(bytes(98), public, info, "unsigned")
    foreign = world.AUTHORS[1].sign(asked.digest(goal)) + world.PROGRAM_KEYS.input_key.open(sealed, info)[65:]
    wrong = world.hpke_seal(foreign, public, info, "foreign")
    author = {"author_secret": world.AUTHORS[0].secret, "network": world.NETWORK_ID, "program": world.PROGRAM}
    return [
        Case("a method's selector", "4.2", "selector", {"method": "add"}),
        Case("what the author signs", "4.2", "digest", {"command": asked, "destination": goal}),
        Case("the same through a relayer", "4.1", "digest",
             {"command": asked, "destination": world.destination(LinkKind.BATCH, world.RELAYER.address)}),
        Case("a reply secret", "6.1", "reply_secret", author | {"nonce": 1000}),
        Case("the next reply secret", "6.1", "reply_secret", author | {"nonce": 1001}),
        Case("a sealed command", "4.3", "open", opening),
        Case("for another origin", "4.1", "open", opening | {"destination": elsewhere}, "hpke.open"),
        Case("for another entry point", "4.1", "open",
             opening | {"destination": plain(goal) | {"kind": 2}}, "hpke.open"),
        Case("for another network", "4.1", "open",
             opening | {"destination": plain(goal) | {"network": plain(bytes(32))}}, "hpke.open"),
        Case("for another program", "4.1", "open",
             opening | {"destination": plain(goal) | {"program": plain(bytes(32))}}, "hpke.open"),
        Case("for another epoch", "8.3", "open",
             opening | {"destination": plain(goal) | {"epoch": 2}}, "hpke.open"),
        Case("another fuel limit beside it", "4.1", "open", opening | {"fuel_limit": 1}, "hpke.open"),
        Case("another fee limit beside it", "4.1", "open", opening | {"fee_limit": 1}, "hpke.open"),
        Case("an altered byte", "4.1", "open", opening | {"sealed": altered(sealed)}, "hpke.open"),
        Case("a plaintext of 97 bytes", "4.3", "open", opening | {"sealed": short}, "void.short"),
        Case("no signature", "4.2", "open", opening | {"sealed": unsigned}, "signature.malformed"),
        Case("a direct submission signed by somebody else", "4.1", "open", opening | {"sealed": wrong},
             "void.origin"),
    ]


def _judgement_cases() -> list[Case]:
    links = world.links()
    bench = {
        "network": world.NETWORK_ID,
        "chain_id": world.CHAIN_ID,
        "inbox": world.address_of("Inbox"),
        "cluster": world.CLUSTER,
        "epoch": world.EPOCH,
        "insecure": True,
        "cluster_secret": keccak256(b"cluster secret"),
        "program": world.PROGRAM,
        "handle": 0,
        "alive": True,
        "spent": [],
        "link": links[3],
    }
    used = [world.AUTHORS[0].address, 1000, world.BLOCK_TIME]
    forgotten = [world.AUTHORS[0].address, 1000, links[3].timestamp - 1]
    late = plain(links[3]) | {"timestamp": world.BLOCK_TIME + 1}
    last = plain(links[3]) | {"timestamp": world.BLOCK_TIME}
    early = plain(links[3]) | {"timestamp": world.BLOCK_TIME - 86_401}
    return [
        Case("a command that runs", "4.2", "judge", bench),
        Case("a batch with a copied item", "4.1", "judge", bench | {"link": links[4]}),
        Case("at its deadline", "4.2", "judge", bench | {"link": last}),
        Case("void.late", "4.2", "judge", bench | {"link": late}),
        Case("void.deadline", "4.2", "judge", bench | {"link": early}),
        Case("void.replayed", "4.2", "judge", bench | {"spent": [used]}),
        Case("a nonce whose deadline has passed", "4.2", "judge", bench | {"spent": [forgotten]}),
        Case("void.program, dead", "5.5", "judge", bench | {"alive": False}),
        Case("void.program, unknown", "5.5", "judge", bench | {"handle": 1}),
        Case("void.framing", "3.1", "judge", bench | {"link": plain(links[4]) | {"item_count": 2}}),
        Case("void.sealed, another epoch", "8.3", "judge", bench | {"epoch": 2}),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "digest": _digest,
        "selector": _selector,
        "reply_secret": _reply_secret,
        "open": _open,
        "judge": _judge,
    }
    assert COMMAND_OVERHEAD == 146
    return Subject("commands", "docs/specification/commands.md", checks, [*_sealing_cases(), *_judgement_cases()])
