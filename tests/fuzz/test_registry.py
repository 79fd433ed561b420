"""No parser and no verifier without a target: found by walking the syntax trees of levels 1 to 4."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.targets import TARGETS

SOURCE = Path(__file__).parents[2] / "src" / "coprocessor"
ROOMS = (
    "values",
    "crypto",
    "codec",
    "trie",
    "headers",
    "attestation",
    "keys",
    "sandbox",
    "protocol",
    "enclave",
    "audit",
)
TELLING = re.compile(
    r"(decode|parse|open|verify|load|loads|read|deserialize|unpad|trim|recover|check|handle|instrument|network_from"
    r"|receipt_file_from|from_bytes|from_plain|from_hex|from_json)(_|$)"
)
"""How a function is called that takes bytes from outside, or objects made of them, and may refuse them."""

EXEMPT = {
    "codec.strict_json.check_nesting": "the first step of strict_json.loads and of chain.peer_json",
    "attestation.verify.read_report_data": "the parsers of the vendors' evidence, which are attacked, chosen by kind",
    "attestation.vendors.certificates.verify_time": "compares a parsed certificate's seconds",
    "audit.admissions.check_bound": "takes a replayed state; tests/audit alters every event that leads to it",
    "audit.committees.check_holders": "as signatures.check_committee",
    "audit.committees.read_seats": "takes a decoded event",
    "audit.expectations.check_storage": "compares numbers",
    "audit.replay.check_complete": "takes a replayed state",
    "audit.settlements.check_signed": "takes a replayed state",
    "audit.signatures.check_committee": "takes a decoded call; tests/audit alters its signatures",
    "audit.signatures.check_members": "as check_committee",
    "enclave.at_rest.SharesAtRest.check_open": "compares a state",
    "enclave.at_rest.SharesAtRest.open": "enclave.sealed_share.open_outer, which is attacked",
    "enclave.diversity.Diversity.check": "counts operators and verified vendors; tests/enclave/test_diversity.py",
    "enclave.diversity.Diversity.check_known": "as check",
    "enclave.own_pads.check_peers": "takes numbers",
    "enclave.ceremony.check_replay": "takes entries and proven numbers; tests/enclave/test_beacon.py alters them",
    "enclave.custody.KeyCustody.check_standing": "compares a proven slot",
    "enclave.proven_committee.ProvenCommittee.check_as_of": "compares numbers",
    "enclave.booting.read_network": "protocol.genesis.network_from_json, which is attacked, and one comparison",
    "keys.identity.check_epoch": "takes a number",
    "keys.shares.check_index": "takes a number",
    "keys.shares.check_threshold": "takes two numbers",
    "protocol.upgrade_policy.decode_policy": "takes decoded numbers and keys; tests/protocol/test_upgrade_policy.py",
    "sandbox.engine.Engine.deserialize": "native code, authenticated by its caller and run as it is (PROTOCOL 5.8)",
    "sandbox.fast_path.FastInstance.read": "reads a guest's memory; tests/sandbox/test_hostile_guests.py",
    "sandbox.public_path.PublicInstance.read": "as FastInstance.read",
    "sandbox.live.LiveInstance.read": "the protocol of the two above",
    "sandbox.instance.open_instance": "takes a loaded program",
    "sandbox.loading.load_image": "runs a guest; tests/sandbox/test_python_guest.py",
    "sandbox.project.read_interface": "runs a guest over its author's own bundle",
    "sandbox.python_guest.load_guest_wasm": "reads the package's own file",
    "sandbox.snapshots.read_globals": "reads a live instance",
    "enclave.executor_port.Executor.load": "takes a program that the core has checked",
    "enclave.programs.Program.load_request": "makes a message",
    "enclave.restoring.check_named": "takes a manifest that was decoded, and proven slots",
    "enclave.loop.Core.handle": "the protocol of the two cores",
    "enclave.process.read_start": "reads the process's own command line",
}
"""Public names that sound like parsers, each with the reason why it has no target."""


def public_parsers() -> Iterator[str]:
    for room in ROOMS:
        for path in sorted((SOURCE / room).rglob("*.py")):
            tree = ast.parse(path.read_text("utf-8"))
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            exported = _exported(tree)
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name in exported and TELLING.match(node.name):
                    yield f"{module}.{node.name}"
                if isinstance(node, ast.ClassDef) and node.name in exported:
                    methods = (child.name for child in node.body if isinstance(child, ast.FunctionDef))
                    yield from (f"{module}.{node.name}.{name}" for name in methods if TELLING.match(name))


def _exported(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(name) for name in node.targets] == ["__all__"]:
            return set(ast.literal_eval(node.value))
    return set()


COVERED = {name for target in TARGETS.values() for name in target.covers}


def test_every_parser_is_attacked_or_exempt() -> None:
    missing = [name for name in public_parsers() if name not in COVERED and name not in EXEMPT]
    assert not missing, f"add a target to tests/fuzz, or an exemption with its reason: {missing}"


def test_what_targets_cover_exists() -> None:
    known = set(public_parsers()) | {"headers.chain.VerifiedChain.extend", "headers.sealed.SealedSource.verify"}
    assert known >= COVERED, f"no such function: {sorted(COVERED - known)}"


def test_no_exemption_outlives_its_reason() -> None:
    assert set(public_parsers()) >= set(EXEMPT)
    assert not COVERED & set(EXEMPT)


def test_the_walk_finds_what_it_should() -> None:
    found = set(public_parsers())
    assert {"codec.cbor.loads", "enclave.worker.WorkerCore.handle", "protocol.queries.QueryReply.decode"} <= found
    assert len(found) > 60
