"""``phat network verify`` against a running network, its node honest or not (PROTOCOL 1.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rlp

from tests.support.live import LiveNetwork, get_json, phat
from tests.support.lying_proxy import Lie, lying_proxy

KEYS = {
    "ok", "network", "anchored", "block", "simulated", "failed", "lines", "warnings", "code", "what", "why", "next",
}  # fmt: skip


def verify(*words: str, fails: bool) -> dict[str, Any]:
    return phat("network", "verify", *words, fails=fails)


def counts(answer: dict[str, Any]) -> dict[str, int]:
    return {line["subject"]: line["count"] for line in answer["lines"] if line["verdict"] == "holds"}


def test_everything_is_repeated_from_the_chain_alone(network: LiveNetwork, counter: str) -> None:
    settled = phat("call", counter, "add", "1", "--network", str(network.folder))
    answer = verify("--network", str(network.folder), fails=False)
    assert set(answer) == KEYS
    assert (answer["ok"], answer["anchored"], answer["code"], answer["failed"]) == (True, True, None, None)
    found = counts(answer)
    assert found["headers"] == answer["block"] + 1
    assert all(found[name] for name in ("genesis", "ceremonies", "admissions", "memberships", "input keys", "storage"))
    assert found["settlements"] >= 2
    assert found["programs"] >= 1
    assert found["inbox links"] > int(settled["index"].split(".")[0])
    assert not any(line["rests_on"] for line in answer["lines"])
    assert answer["simulated"] is True
    (admissions,) = [line for line in answer["lines"] if line["subject"] == "admissions"]
    assert admissions["simulated"] == admissions["count"]


def test_without_an_anchor_it_shows_the_fingerprint_and_fails(network: LiveNetwork) -> None:
    worker = network.worker()["endpoint"]
    served = get_json(worker + "/network.json")
    answer = verify("--network", worker, "--rpc", network.hints["rpc"], fails=True)
    assert (answer["ok"], answer["anchored"], answer["code"]) == (False, False, None)
    assert answer["network"] == served["network"]
    pinned = verify("--network", worker, "--rpc", network.hints["rpc"], "--pin", served["network"], fails=False)
    assert (pinned["ok"], pinned["anchored"]) == (True, True)
    other = verify("--network", worker, "--rpc", network.hints["rpc"], "--pin", "0x" + "11" * 32, fails=True)
    assert other["code"] == "network.pinned"


def _flip(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _for(method: str, change: Any) -> Lie:
    """A lie in the answers to one method."""
    return lambda asked, _, result: change(result) if asked == method and result else result


def _without_events(receipts: list[str]) -> list[str]:
    """Receipts from which the last event is gone, in a perfect encoding."""
    changed = []
    for text in receipts:
        raw = bytes.fromhex(text[2:])
        body = rlp.decode(raw[1:])
        body[3] = body[3][:-1]
        changed.append("0x" + (raw[:1] + rlp.encode(body)).hex())
    return changed


def _hide_bloom(headers: list[str]) -> list[str]:
    """Headers that say that their blocks hold no events."""
    changed = []
    for text in headers:
        fields = rlp.decode(bytes.fromhex(text[2:]))
        fields[6] = bytes(256)
        changed.append("0x" + rlp.encode(fields).hex())
    return changed


def _forge_call(text: str) -> str:
    header, transactions, *rest = rlp.decode(bytes.fromhex(text[2:]))
    return "0x" + rlp.encode([header, [_flip_last(one) for one in transactions], *rest]).hex()


def _flip_last(raw: bytes) -> bytes:
    return raw[:-1] + bytes((raw[-1] ^ 1,))


def _forge_proof(answer: dict[str, Any]) -> dict[str, Any]:
    for slot in answer["storageProof"]:
        slot["proof"] = [*slot["proof"][:-1], _flip(slot["proof"][-1])]
    return answer


LIES: dict[str, tuple[Lie, str, str]] = {
    "an event left out": (_for("debug_getRawReceipts", _without_events), "block.receipts", "events"),
    "receipts of another block": (_for("debug_getRawReceipts", lambda _: []), "block.receipts", "events"),
    "another call": (_for("debug_getRawBlock", _forge_call), "block.transactions", "events"),
    "blocks that seem empty": (_for("coproc_getRawHeaders", _hide_bloom), "headers.", "headers"),
    "a forged slot": (_for("eth_getProof", _forge_proof), "proof.refused", "contracts"),
    "no seals": (_for("coproc_getSeals", lambda answer: {**answer, "signatures": []}), "headers.", "headers"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lying_node_is_caught_and_named(network: LiveNetwork, counter: str, name: str) -> None:
    lie, code, subject = LIES[name]
    with lying_proxy(network.hints["rpc"]) as proxy:
        proxy.set_lie(lie)
        answer = verify("--network", str(network.folder), "--rpc", proxy.url, fails=True)
        assert proxy.told > 0
    assert answer["code"].startswith(code), answer
    assert answer["failed"] == subject
    assert answer["what"]
    assert answer["next"]
    assert json.dumps(answer).count('"FALSE"') == 1
