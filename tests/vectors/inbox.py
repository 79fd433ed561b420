"""``vectors/inbox.json``: heads, links, events, framing, payloads of system links (PROTOCOL 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.chain.artifacts import load_artifact
from coprocessor.chain.node import Log
from coprocessor.codec import abi
from coprocessor.crypto.hashing import keccak256
from coprocessor.enclave.inbox import InboxReplay
from coprocessor.protocol.items import ClearItem, decode_items
from coprocessor.protocol.links import Link, compute_genesis_head, compute_head
from coprocessor.protocol.system import decode_epoch, decode_instantiation, decode_member, decode_request
from coprocessor.values.identities import ZERO_ADDRESS, Address, ClusterId, Digest
from tests.vectors import world
from tests.vectors.form import Case, Subject, altered, plain, raw


def link_of(given: Mapping[str, Any]) -> Link:
    """The link that a vector describes."""
    named = dict(given)
    for name in ("origin", "payer", "prevrandao", "payload"):
        named[name] = raw(named[name])
    return Link(**named)


def _genesis(given: Mapping[str, Any]) -> dict[str, Any]:
    inbox, cluster = Address(raw(given["inbox"])), ClusterId(raw(given["cluster"]))
    return {"head": compute_genesis_head(given["chain_id"], inbox, cluster)}


def _head(given: Mapping[str, Any]) -> dict[str, Any]:
    link, before = link_of(given["link"]), Digest(raw(given["head"]))
    words = [keccak256(b"coprocessor/v1/inbox-link"), before, link.index, link.kind, link.origin, link.payer]
    words += [link.item_count, link.fuel_limit, link.fee_limit, link.block_number, link.timestamp, link.prevrandao]
    words += [keccak256(link.payload)]
    kinds = ["bytes32", "bytes32", "uint256", "uint8", "address", "address", *["uint256"] * 5, "bytes32", "bytes32"]
    preimage = abi.encode(kinds, words)
    assert keccak256(preimage) == compute_head(before, link)
    return {"payload_hash": keccak256(link.payload), "preimage": preimage, "head": compute_head(before, link)}


def _replay(given: Mapping[str, Any]) -> dict[str, Any]:
    replay = InboxReplay(given["chain_id"], Address(raw(given["inbox"])), ClusterId(raw(given["cluster"])))
    replay.set_target(given["count"], Digest(raw(given["proven_head"])))
    replay.add([link_of(link) for link in given["links"]])
    return {"proven": replay.proven}


def _event(given: Mapping[str, Any]) -> dict[str, Any]:
    topics = tuple(raw(topic) for topic in given["topics"])
    log = Log(ZERO_ADDRESS, topics, raw(given["data"]), 0, Digest(bytes(32)), Digest(bytes(32)), 0)
    return load_artifact("Inbox").interface.event("Link").decode(log)


def _items(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = [given[name] for name in ("item_count", "fuel_limit", "fee_limit")]
    link = Link(0, 2, ZERO_ADDRESS, ZERO_ADDRESS, *fields, 0, 0, Digest(bytes(32)), raw(given["payload"]))
    return {"items": list(decode_items(link))}


_PAYLOADS = {16: decode_epoch, 20: decode_member, 21: decode_instantiation, 3: decode_request}


def _payload(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": _PAYLOADS[given["kind"]](raw(given["payload"]))}


def _head_cases() -> list[Case]:
    names = ("epoch", "member", "instantiate", "submit", "batch", "request")
    heads, links = world.heads(), world.links()
    where = {"chain_id": world.CHAIN_ID, "inbox": world.address_of("Inbox"), "cluster": world.CLUSTER}
    whole = where | {"count": 6, "proven_head": heads[6], "links": list(links)}
    cases = [Case("before the first link", "3.1", "genesis_head", where)]
    cases += [
        Case(f"link {link.index}, {name}", "3.1", "head", {"head": heads[link.index], "link": link})
        for name, link in zip(names, links, strict=True)
    ]
    forged = plain(links[3])
    forged["payload"] = plain(altered(links[3].payload))
    cases += [
        Case("six links replay to the proven head", "3.1", "replay", whole),
        Case("an altered payload", "3.1", "replay", whole | {"links": [*links[:3], forged, *links[4:]]},
             "inbox.replay"),
        Case("another block's timestamp", "3.1", "replay",
             whole | {"links": [*links[:5], plain(links[5]) | {"timestamp": links[5].timestamp + 1}]}, "inbox.replay"),
        Case("a link left out", "3.1", "replay", whole | {"links": [links[0], *links[2:]]}, "inbox.order"),
        Case("two links in another order", "3.1", "replay",
             whole | {"links": [links[0], links[2], links[1], *links[3:]]}, "inbox.order"),
    ]
    return cases


def _event_cases() -> list[Case]:
    event = load_artifact("Inbox").interface.event("Link")
    kinds = [kind for _, kind, is_indexed in event.members if not is_indexed]
    cases = []
    for link in (world.links()[0], world.links()[4]):
        values = [link.kind, link.origin, link.payer, link.item_count, link.fuel_limit, link.fee_limit, link.payload]
        given = {
            "topics": [event.topic, world.CLUSTER, link.index.to_bytes(32, "big")],
            "data": abi.encode(kinds, values),
        }
        cases.append(Case(f"the event of link {link.index}", "3.1", "event", given))
    other = [keccak256(b"Requested"), *given["topics"][1:]]
    cases.append(Case("another event", "3.1", "event", given | {"topics": other}, "contract.event"))
    cases.append(Case("an event cut short", "3.1", "event", given | {"data": given["data"][:-32]}, "abi.malformed"))
    return cases


def _item_cases() -> list[Case]:
    sample = [ClearItem(0, 7, 3, b"first"), ClearItem(0, 7, 3, b""), ClearItem(9, 2**64 - 2**10, 2**90, b"third")]
    payload = world.encode_items(sample)
    sums = {"item_count": 3, "fuel_limit": sum(item.fuel_limit for item in sample)}
    good = {"payload": payload, **sums, "fee_limit": sum(item.fee_limit for item in sample)}
    batch = world.links()[4]
    real = {"item_count": 3, "fuel_limit": batch.fuel_limit, "fee_limit": batch.fee_limit, "payload": batch.payload}
    nothing = {"item_count": 0, "fuel_limit": 0, "fee_limit": 0, "payload": b""}
    empty_group = bytes(26)
    void = "void.framing"
    return [
        Case("two groups", "3.2", "items", good),
        Case("the payload of link 4", "3.2", "items", real),
        Case("no items", "3.1", "items", nothing),
        Case("a count that is not theirs", "3.1", "items", good | {"item_count": 2}, void),
        Case("a fuel sum that is not theirs", "3.2", "items", good | {"fuel_limit": 7}, void),
        Case("a fee sum that is not theirs", "3.2", "items", good | {"fee_limit": 0}, void),
        Case("a byte after the items", "3.1", "items", good | {"payload": payload + b"\0"}, void),
        Case("an item cut short", "3.1", "items", good | {"payload": payload[:-1]}, void),
        Case("a group of nothing", "3.1", "items", nothing | {"payload": empty_group}, void),
        Case("an empty payload that claims an item", "3.1", "items", nothing | {"item_count": 1}, void),
        Case("more items than a link holds", "3.1", "items",
             nothing | {"item_count": 1025, "payload": bytes(24) + (1025).to_bytes(2, "big") + bytes(2050)}, void),
    ]


def _payload_cases() -> list[Case]:
    links = world.links()
    cases = [
        Case(f"the payload of link {at}", rule, "payload", {"kind": links[at].kind, "payload": links[at].payload})
        for at, rule in ((0, "8.3"), (1, "8.3"), (2, "5.4"), (5, "7.5"))
    ]
    epoch, member, program = (links[at].payload for at in (0, 1, 2))
    return [
        *cases,
        Case("a word too many", "3.1", "payload", {"kind": 16, "payload": epoch + bytes(32)}, "abi.malformed"),
        Case("a word too few", "3.1", "payload", {"kind": 16, "payload": epoch[:-32]}, "abi.malformed"),
        Case("an address with dirty padding", "3.1", "payload",
             {"kind": 20, "payload": altered(member, 32)}, "abi.malformed"),
        Case("a truth value of 2", "3.1", "payload",
             {"kind": 20, "payload": member[:95] + b"\x02" + member[96:]}, "abi.malformed"),
        Case("an offset that is not where an encoder puts it", "3.1", "payload",
             {"kind": 21, "payload": altered(program, 32 * 7 - 1)}, "abi.malformed"),
    ]


def subject() -> Subject:
    """The file's content."""
    checks = {
        "genesis_head": _genesis,
        "head": _head,
        "replay": _replay,
        "event": _event,
        "items": _items,
        "payload": _payload,
    }
    cases = [*_head_cases(), *_event_cases(), *_item_cases(), *_payload_cases()]
    return Subject("inbox", "docs/specification/inbox.md", checks, cases)
