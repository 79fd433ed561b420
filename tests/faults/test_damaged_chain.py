"""The chain's file with flipped bytes, lost and swapped pages: a node refuses it, or serves right data.

Every answer of a damaged node is compared with the sound one's; a different answer is a failure of the test, and
so is an error that does not say ``disk.damaged`` and what to do.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coprocessor.crypto.secp256k1 import PrivateKey
from coprocessor.devnode.chain import Chain
from coprocessor.devnode.database import Database
from coprocessor.devnode.mining import Miner
from coprocessor.devnode.node import _make_dispatcher
from coprocessor.devnode.options import NodeOptions
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import Digest, to_hex
from tests.devnode.contract import call_data, deployment, topic, wallet
from tests.faults.scenarios import GENESIS_TIME

BLOCKS = 12
PAGE = 4096
HEADER = 100
"""Bytes of an SQLite file before its first page's content."""
NOTED = topic("Noted(uint256,bytes32,bytes,uint256)")
Damage = Callable[[bytearray, int, random.Random], None]


class Answers:
    """A node in this process, asked through its dispatcher."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "chain.sqlite")
        self.chain = Chain(self.database, NodeOptions(folder, finality_lag=1), lambda: GENESIS_TIME)
        miner = Miner(self.chain, block_time=3600)
        self._dispatcher = _make_dispatcher(self.chain, self.database, miner, PrivateKey(b"\x11" * 32))

    def ask(self, method: str, *parameters: Any) -> Any:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
        reply = json.loads(asyncio.run(self._dispatcher.handle(json.dumps(call).encode())))
        return reply.get("result", reply.get("error"))


@dataclass(frozen=True)
class Sound:
    """A chain that is well: its folder, contract, block hashes, and what a node answers from it."""

    folder: Path
    address: str
    hashes: list[Digest]
    answers: dict[str, Any]


def make_chain(folder: Path) -> str:
    """A chain with a contract, logs and waiting transactions; the contract's address."""
    node, owner = Answers(folder), wallet(0)
    node.chain.submit(bytes.fromhex(owner.sign(None, deployment(7), gas=3_000_000)[2:]))
    block = node.chain.mine()
    address: str = json.loads(block.transactions[0].receipt)["contractAddress"]
    for at in range(BLOCKS):
        note = call_data("note(uint256,bytes32,bytes,uint256)", at, bytes([at]) * 32, b"x" * 40, 2)
        for sender in (owner, wallet(1, at)):
            node.chain.submit(bytes.fromhex(sender.sign(address, note)[2:]))
        node.chain.mine()
    for _ in range(5):
        node.chain.submit(bytes.fromhex(owner.sign(address, b"", gas=100_000)[2:]))
    node.chain.save()
    node.database.close()
    return address


def all_answers(folder: Path, address: str, hashes: list[Digest]) -> dict[str, Any]:
    """What the node says to every kind of question. Raises where it does not start."""
    node = Answers(folder)
    questions: list[tuple[Any, ...]] = [
        ("eth_blockNumber",),
        ("coproc_getRawHeaders", "0x0", hex(BLOCKS + 1)),
        ("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}),
        ("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "address": address}),
        ("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest", "topics": [NOTED]}),
        ("eth_getCode", address, "latest"),
        ("eth_getBlockByNumber", "finalized", False),
    ]
    for number in range(BLOCKS + 2):
        questions.append(("eth_getBlockByNumber", hex(number), True))
        questions.append(("eth_getBlockReceipts", hex(number)))
        questions.append(("eth_getProof", address, ["0x0", "0x1"], hex(number)))
        questions += [("eth_getProof", wallet(at).address, [], hex(number)) for at in range(3)]
    for at in range(2):
        questions += [("eth_getTransactionCount", wallet(at).address, tag) for tag in ("latest", "pending")]
    try:
        answers = {json.dumps(question): node.ask(*question) for question in questions}
        answers |= {to_hex(one): node.ask("eth_getBlockByHash", to_hex(one), False) for one in hashes}
    finally:
        node.database.close()
    return answers


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    folder = tmp_path_factory.mktemp("sound")
    address = make_chain(folder)
    database = Database(folder / "chain.sqlite")
    hashes = [Digest(database.get_block_hash(number) or b"") for number in range(BLOCKS + 2)]
    database.close()
    answers = all_answers(folder, address, hashes)
    assert not list(folder.glob("*-wal"))
    return Sound(folder, address, hashes, answers)


def judge(sound: Sound, folder: Path) -> str:
    """``refused``, ``partly`` (some questions are), or ``served``; fails where an answer is wrong."""
    failure: CoprocessorError | None = None
    try:
        answers = all_answers(folder, sound.address, sound.hashes)
    except CoprocessorError as error:
        failure = error
    if failure is not None:
        assert failure.code in ("disk.damaged", "devnode.data"), failure
        assert failure.why
        assert failure.next
        return "refused"
    refused = 0
    for question, answer in answers.items():
        if answer == sound.answers[question]:
            continue
        assert isinstance(answer, dict), question
        assert "disk.damaged: " in answer.get("message", ""), (question, answer, sound.answers[question])
        assert "next: check the disk" in answer["message"]
        refused += 1
    return "partly" if refused else "served"


def flip_one(data: bytearray, page: int, rng: random.Random) -> None:
    at = page * PAGE + rng.randrange(HEADER if page == 0 else 0, PAGE)
    data[at] ^= 1 << rng.randrange(8)


def flip_many(data: bytearray, page: int, rng: random.Random) -> None:
    for _ in range(20):
        flip_one(data, page, rng)


def lose(data: bytearray, page: int, rng: random.Random) -> None:
    data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)


def swap(data: bytearray, page: int, rng: random.Random) -> None:
    other = rng.randrange(len(data) // PAGE)
    mine, theirs = slice(page * PAGE, (page + 1) * PAGE), slice(other * PAGE, (other + 1) * PAGE)
    data[mine], data[theirs] = data[theirs], data[mine]


def flip_a_value(data: bytearray, page: int, rng: random.Random) -> None:
    """A bit of a long value, which SQLite's own checks cannot see."""
    start = page * PAGE
    places = [at for at in range(start + PAGE // 2, start + PAGE) if data[at]]
    if places:
        data[rng.choice(places)] ^= 1 << rng.randrange(8)


@pytest.mark.parametrize("damage", [flip_one, flip_many, lose, swap, flip_a_value])
def test_a_damaged_file_is_refused_or_right(
    sound: Sound, tmp_path: Path, damage: Damage
) -> None:
    rng, verdicts = random.Random(damage.__name__), []
    content = (sound.folder / "chain.sqlite").read_bytes()
    pages = len(content) // PAGE
    for page in sorted(rng.sample(range(pages), min(pages, 25))):
        data = bytearray(content)
        damage(data, page, rng)
        folder = tmp_path / str(page)
        folder.mkdir()
        (folder / "chain.sqlite").write_bytes(data)
        verdicts.append(judge(sound, folder))
        shutil.rmtree(folder)
    assert set(verdicts) & {"refused", "partly"}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_refused(
    sound: Sound, tmp_path: Path, share: float
) -> None:
    content = (sound.folder / "chain.sqlite").read_bytes()
    (tmp_path / "chain.sqlite").write_bytes(content[: int(len(content) * share)])
    assert judge(sound, tmp_path) == "refused"


def test_an_acknowledged_transaction_outlives_a_state_that_cannot_be_read(
    sound: Sound, tmp_path: Path
) -> None:
    """Damage that shows while a block is built is no fault of the transaction: it stays in the pool."""
    shutil.copytree(sound.folder, tmp_path / "copy")
    node = Answers(tmp_path / "copy")
    waiting = len(node.chain.pool)
    account = node.chain.states.get_account(node.chain.head.header.state_root, wallet(0).key.address)
    assert waiting == 5
    node.database.nodes._cache.clear()
    spoil = "update nodes set value = cast(x'00' || value as blob) where hash = ?"
    node.database._file.run(spoil, (node.chain.head.header.state_root,))
    with pytest.raises(CoprocessorError, match=r"disk\.damaged"):
        node.chain.mine()
    assert len(node.chain.pool) == waiting
    assert account.nonce == BLOCKS + 1
    node.database.close()
