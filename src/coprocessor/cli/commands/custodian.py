"""For people who keep offline keys of a network whose gatekeepers' shares rest under pads (PROTOCOL 9.5).

Makes a key; fetches what a gatekeeper that waits for its pad needs; opens one's own piece for that gatekeeper's enclave
alone, after its evidence has been verified; and brings enough opened pieces to it. Only ``open`` needs the key, and no
network: carry the files.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from coprocessor.chain.keyfile import load_key_file, write_key_file
from coprocessor.cli.options import add_network, network_of
from coprocessor.cli.screen import Screen
from coprocessor.client.target import read_description
from coprocessor.crypto.hpke import SealingKey
from coprocessor.durable.disk import PLAIN_DISK
from coprocessor.durable.points import PersistPoint
from coprocessor.enclave import messages as m
from coprocessor.host.custodians import MAX_ANSWER, describe, open_piece
from coprocessor.host.http import MAX_BODY, PeerClient
from coprocessor.host.pad_courier import WAITING_SHARES
from coprocessor.protocol.genesis import network_from_json
from coprocessor.values.errors import CallerMisuse
from coprocessor.values.identities import to_hex

__all__ = ["add_arguments", "run"]

T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("action", choices=("new", "request", "open", "restore"))
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="restore: opened pieces")
    parser.add_argument("--keyfile", type=Path, metavar="KEYFILE", help="new, open: the custodian's offline key")
    parser.add_argument("--gatekeeper", metavar="URL", help="request, restore: the gatekeeper that waits")
    parser.add_argument("--request", type=Path, metavar="FILE", help="open: what the gatekeeper needs")
    parser.add_argument("--out", type=Path, metavar="FILE", help="request, open: the file to write")
    add_network(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> int:
    """Does one of the four."""
    actions = {"new": _new, "request": _request, "open": _open, "restore": _restore}
    actions[arguments.action](arguments, screen)
    return 0


def _new(arguments: argparse.Namespace, screen: Screen) -> None:
    key = SealingKey(write_key_file(_given(arguments, "keyfile")).secret)
    screen.say(f"public key {to_hex(key.public_key)}")
    screen.finish({"ok": True, "public_key": key.public_key})


def _request(arguments: argparse.Namespace, screen: Screen) -> None:
    url, out = _given(arguments, "gatekeeper"), _given(arguments, "out")
    waiting = asyncio.run(_with_peer(lambda peers: peers.get_record(f"{url}/v1/custody", WAITING_SHARES)))
    PLAIN_DISK.replace(PersistPoint.CUSTODIAN_FILE, out, WAITING_SHARES.encode(waiting))
    screen.say(f"request of gatekeeper {to_hex(waiting.presence.signer)} in {out}")
    screen.finish({"ok": True, "file": str(out), "signer": waiting.presence.signer})


def _open(arguments: argparse.Namespace, screen: Screen) -> None:
    network, _ = network_from_json(read_description(network_of(arguments)))
    key = SealingKey(load_key_file(_given(arguments, "keyfile")).secret)
    waiting = WAITING_SHARES.decode(_content(_given(arguments, "request"), MAX_BODY))
    verdict, answer = open_piece(network, waiting, key, int(time.time()))
    screen.warn_simulated(network.configuration.allow_simulated)
    screen.say(describe(waiting, verdict))
    out = _given(arguments, "out")
    PLAIN_DISK.replace(PersistPoint.CUSTODIAN_FILE, out, answer)
    screen.finish({"ok": True, "file": str(out), "signer": waiting.presence.signer, "simulated": verdict.simulated})


def _restore(arguments: argparse.Namespace, screen: Screen) -> None:
    url = _given(arguments, "gatekeeper")
    message = m.TakePieces((), tuple(_content(file, MAX_ANSWER) for file in arguments.files))

    async def ask(peers: PeerClient) -> m.Unwrapped:
        back: m.Unwrapped = await peers.ask(
            f"{url}/v1/custody", message, m.GATEKEEPER_REQUESTS, m.GATEKEEPER_REPLIES
        )
        return back

    asyncio.run(_with_peer(ask))
    screen.say(f"the share of {url} is open again")
    screen.finish({"ok": True})


async def _with_peer(question: Callable[[PeerClient], Awaitable[T]]) -> T:
    peers = PeerClient()
    try:
        return await question(peers)
    finally:
        await peers.close()


def _given(arguments: argparse.Namespace, name: str) -> Any:
    value = getattr(arguments, name)
    if value is None:
        raise CallerMisuse("custodian.argument", f"phat custodian {arguments.action} needs --{name}")
    return value


def _content(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise CallerMisuse("custodian.file", f"{path} cannot be read", error.strerror or str(error)) from error
