"""The receipt is checked without any network. Its network must be pinned: --network names the network.json that you
trust (default: $PHAT_NETWORK, then ./.phat where there is one). Exit status 1 where it does not hold."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from coprocessor.cli.options import DEFAULT_NETWORK
from coprocessor.cli.screen import Screen, bytes_to_text
from coprocessor.client.target import load_target
from coprocessor.protocol.genesis import compute_network_id
from coprocessor.protocol.output_body import decode_output_body
from coprocessor.protocol.outputs import Status
from coprocessor.protocol.receipt_file import MAX_RECEIPT_FILE
from coprocessor.protocol.receipt_verdict import Verdict, verify_receipt
from coprocessor.values.errors import CallerMisuse, MalformedInput
from coprocessor.values.identities import to_hex
from coprocessor.values.network import Network

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the receipt file")
    parser.add_argument("--network", metavar="FILE", help="network.json that you trust, or its folder")


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Checks the file; 0 where it holds."""
    anchor = _anchor(arguments.network)
    verdict = verify_receipt(_read(arguments.file), anchor)
    _show(verdict, screen)
    screen.finish(_fields(verdict, anchor))
    return 0 if verdict.ok else 1


def _anchor(named: str | None) -> Network | None:
    """The pinned network: a named one must be there, a default one may be missing."""
    if named is None:
        named = os.environ.get("PHAT_NETWORK")
        if named is None:
            if not (Path(DEFAULT_NETWORK) / "network.json").exists():
                return None
            named = DEFAULT_NETWORK
    if named.startswith(("http://", "https://")):
        raise CallerMisuse("usage", "verify takes its network from a file, not from a URL", next="save the file first")
    return load_target(named).network


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:  # the length of what is no plain file is known by reading alone
            data = file.read(2 * MAX_RECEIPT_FILE + 1)
        return data.decode("utf-8", "replace") if len(data) <= 2 * MAX_RECEIPT_FILE else ""
    except OSError as error:
        raise CallerMisuse("receipt.not_found", f"there is no receipt file {path}", str(error)) from error


def _show(verdict: Verdict, screen: Screen) -> None:
    fingerprint = "unknown" if verdict.network is None else to_hex(verdict.network)
    if not verdict.ok:
        screen.say(f"NOT VERIFIED: {verdict.code}: {verdict.reason}")
        screen.say(f"network of the receipt: {fingerprint}")
        return
    screen.say(f"VERIFIED: output {verdict.index} of program {to_hex(verdict.program or b'')}")
    screen.say(f"outcome: {Status(verdict.status or 0).name.lower()}, fuel {verdict.fuel}")
    if verdict.plaintext is not None:
        screen.say(f"output: {_readable(verdict.plaintext)}")
    screen.say(f"output digest: {to_hex(verdict.output_digest or b'')}")
    screen.say(f"network: {fingerprint}, block {verdict.block_number}")
    screen.say("this rests on")
    for sentence in verdict.trusted:
        screen.say(f"  - {sentence}")


def _readable(plaintext: bytes) -> str:
    """The result or message inside a command's output, or a public output as it is."""
    try:
        body = decode_output_body(plaintext)
    except MalformedInput:  # a public output has no body around it
        return bytes_to_text(plaintext)
    return bytes_to_text(body.result or body.message.encode("utf-8"))


def _fields(verdict: Verdict, anchor: Network | None) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "anchored": verdict.anchored,
        "anchor": verdict.network if anchor is None else compute_network_id(anchor),
        "program": verdict.program,
        "index": verdict.index,
        "output_digest": verdict.output_digest,
        "trusted": list(verdict.trusted),
        "simulated": verdict.simulated,
        "code": verdict.code,
        "reason": verdict.reason,
    }
