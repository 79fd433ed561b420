"""Every route of workers and gatekeepers, every parameter and field of every body: 4xx with a code, and on it goes.

Routes and parameters are read from the servers, so a new one fails here until it has a valid example.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from coprocessor.codec import cbor
from coprocessor.codec.records import to_plain
from coprocessor.enclave import messages as m
from coprocessor.host.holding import HOLD
from coprocessor.host.http import MAX_BODY, serve_http
from tests.bad_input.hosts import Hosts, hold_example, kept_checkpoint, served_gatekeeper, served_worker
from tests.fuzz.targets_enclave import Scene
from tests.support.byte_mutation import mutate
from tests.support.error_codes import LISTED_CODES
from tests.support.fake_chain import CLUSTER
from tests.support.record_mutation import extremes, ill_typed

DIGEST = "0x" + "11" * 32
EXAMPLES: dict[str, dict[str, str]] = {
    "GET /v1/output": {"link": "5", "position": "0", "cluster": "0x" + CLUSTER.hex()},
    "GET /v1/outputs": {"link": "5", "cluster": "0x" + CLUSTER.hex()},
    "GET /v1/receipt": {"link": "5", "cluster": "0x" + CLUSTER.hex(), "number": "0"},
    "GET /v1/input-key": {"program": DIGEST, "epoch": "1"},
    "GET /v1/boundary": {"epoch": "2", "count": "5"},
    "GET /v1/checkpoint": {"digest": "0x" + kept_checkpoint()[0].hex(), "piece": "0"},
}
"""A valid query of each route that takes parameters."""

WRONG_VALUES = (
    "", " ", "-1", "+1", "1.0", "1e3", "0x", "0x1", "abc", "null", "true", "[1]", "\0", "é", "\u0661", "\uff11",
    "9" * 19, "9" * 400, "0x" + "11" * 31,
    "0x" + "11" * 33, "0x" + "zz" * 32, "11" * 32, "0X" + "11" * 32, "x" * 4000,
)  # fmt: skip
BODIES = (
    b"", b"\0", b"{}", b"null", b"\xff" * 100, b"\x81" * 5000, b"\x9b" + b"\xff" * 8, b"\x5b\x7f" + b"\xff" * 7,
    b"[" * 90000,     cbor.dumps(["Nobody"]), cbor.dumps(["Stop"]), cbor.dumps([bytes(31), b""]),
    cbor.dumps([bytes(32), 5]),
    cbor.dumps([bytes(32), b"", b""]), cbor.dumps({"program": bytes(32)}), cbor.dumps([bytes(32), b"sealed"]),
    cbor.dumps(["MakeReceipt", 2**64 - 1, b"\xff" * 32]), cbor.dumps(["MakeReceipt", 5, 5]), bytes(MAX_BODY),
)  # fmt: skip

Talk = Callable[[aiohttp.ClientSession, Hosts], Awaitable[None]]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def converse(role: str, scene: Scene, folder: Path, talk: Talk) -> None:
    """``talk`` with a host of this role; afterwards it must still answer."""

    async def go() -> None:
        serve = served_worker if role == "worker" else served_gatekeeper
        async with serve(scene, folder) as hosts, aiohttp.ClientSession() as session:
            await talk(session, hosts)
            async with session.get(f"{hosts.url}/v1/status") as response:
                assert response.status == 200

    asyncio.run(go())


async def ask(session: aiohttp.ClientSession, method: str, url: str, **more: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON of the answer; a CBOR answer is told by its length."""
    async with session.request(method, url, **more) as response:
        body = await response.read()
        if response.content_type == "application/cbor":
            return response.status, {"ok": True, "bytes": len(body)}
        assert response.content_type == "application/json", (response.status, body[:300], more)
        return response.status, json.loads(body)


def check_refusal(what: object, status: int, fields: dict[str, Any]) -> None:
    """A refusal in the one form, and by the client's or the chain's fault: never by a bug of ours."""
    assert status in (400, 403, 404, 405, 413, 503), f"{what!r:.200}: {status} {fields}"
    assert fields["ok"] is False
    assert set(fields) == {"ok", "code", "what", "why", "next"}
    assert fields["code"] in LISTED_CODES, fields
    assert fields["code"] != "http.internal"


both_roles = pytest.mark.parametrize("role", ["worker", "gatekeeper"])


@both_roles
def test_every_parameter_of_every_route(role: str, scene: Scene, tmp_path: Path) -> None:
    async def talk(session: aiohttp.ClientSession, hosts: Hosts) -> None:
        for route in hosts.routes:
            name = f"{route.method} {route.path}"
            known = route.handler.parameters  # type: ignore[attr-defined]
            example = EXAMPLES.get(name, {})
            assert set(example) == set(known), f"EXAMPLES lacks a valid query for {name}"
            if route.method != "GET":
                continue
            if example:
                status, found = await ask(session, "GET", hosts.url + route.path, params=example)
                assert (status, found["ok"]) == (200, True), found
            for what, query in wrong_queries(example):
                status, found = await ask(session, "GET", hosts.url + route.path, params=query)
                if status == 200 and what == "missing" and name != "GET /v1/output":
                    continue
                if status != 200 or what != "missing":
                    check_refusal((name, what, query), status, found)

    converse(role, scene, tmp_path, talk)


def wrong_queries(example: dict[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Queries with one parameter wrong, missing, doubled or unknown."""
    whole = list(example.items())
    yield "unknown", [*whole, ("unknown", "1")]
    for name, value in whole:
        rest = [(other, it) for other, it in whole if other != name]
        yield "missing", rest
        yield "doubled", [*whole, (name, value)]
        if name == "link" and "number" in example:
            rest = [(other, it) for other, it in rest if other != "number"]
        for wrong in WRONG_VALUES:
            yield "wrong", [*rest, (name, wrong)]


@both_roles
def test_every_body(role: str, scene: Scene, tmp_path: Path) -> None:
    async def talk(session: aiohttp.ClientSession, hosts: Hosts) -> None:
        for route in hosts.routes:
            if route.method != "POST":
                continue
            for body in (*BODIES, *(mutate(body, seed) for seed, body in enumerate(BODIES * 2))):
                status, found = await ask(session, "POST", hosts.url + route.path, data=body)
                if status != 200:
                    check_refusal((route.path, body[:50]), status, found)
            too_long = await ask(session, "POST", hosts.url + route.path, data=bytes(MAX_BODY + 1))
            assert (too_long[0], too_long[1]["code"]) == (413, "http.too_long")
            status, found = await ask(session, "POST", hosts.url + route.path + "?link=5", data=b"")
            check_refusal(route.path, status, found)

    converse(role, scene, tmp_path, talk)


RECORDS: dict[str, str] = {
    "POST /v1/genesis": "Genesis",
    "POST /v1/handover": "SignHandover",
    "POST /v1/admit": "Admit",
    "POST /v1/ticket": "GiveTicket",
    "POST /v1/release": "Release",
    "POST /v1/beacon": "SignBeacon",
    "POST /v1/receipt": "MakeReceipt",
    "POST /v1/hold": "Hold",
    "POST /v1/pads/keep": "KeepPiece",
    "POST /v1/pads/give": "GivePiece",
    "POST /v1/pads/confirm": "ConfirmPad",
    "POST /v1/custody": "TakePieces",
    "POST /v1/keys": "SignKeys",
}
"""Routes that take a record; ``POST /v1/query`` takes bytes of its own."""


@both_roles
def test_every_field_of_every_record(role: str, scene: Scene, tmp_path: Path) -> None:
    examples = {
        type(message).__name__: message
        for message in (scene.requests() if role == "worker" else scene.gatekeeper_requests())
    }
    examples["Hold"] = hold_example()

    async def talk(session: aiohttp.ClientSession, hosts: Hosts) -> None:
        for route in hosts.routes:
            name = f"{route.method} {route.path}"
            if route.method != "POST" or name == "POST /v1/query":
                continue
            message = examples[RECORDS[name]]
            plain, kind = to_plain(message), type(message)
            for what, other in (*ill_typed(plain, kind), *extremes(plain, kind)):
                status, found = await ask(session, "POST", hosts.url + route.path, data=cbor.dumps(other))
                if status != 200:
                    check_refusal((name, what), status, found)
            for other_message in examples.values():
                if type(other_message) is not kind:
                    data = cbor.dumps(to_plain(other_message))
                    check_refusal(name, *await ask(session, "POST", hosts.url + route.path, data=data))

    converse(role, scene, tmp_path, talk)


@both_roles
def test_methods_routes_and_encodings(role: str, scene: Scene, tmp_path: Path) -> None:
    async def talk(session: aiohttp.ClientSession, hosts: Hosts) -> None:
        for path in ("/", "/v1", "/v2/status", "/v1/status/", "/v1/../etc/passwd", "/%00", "/" + "a" * 3000):
            check_refusal(path, *await ask(session, "GET", hosts.url + path))
        for route in hosts.routes:
            for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
                check_refusal(method, *await ask(session, method, hosts.url + route.path))
        posts = [route.path for route in hosts.routes if route.method == "POST"]
        hosts_own = aiohttp.TCPConnector(force_close=True)  # after a body that does not end, a connection is of no use
        bomb = zlib.compress(bytes(64 << 20))
        encoded = (("gzip", b"no gzip"), ("deflate", b"\x78\x9c\xff\xff"), ("deflate", bomb))
        async with aiohttp.ClientSession(connector=hosts_own) as fresh:
            for encoding, body in encoded:
                for path in posts:
                    headers = {"Content-Encoding": encoding}
                    status, found = await ask(fresh, "POST", hosts.url + path, data=body, headers=headers)
                    check_refusal((path, encoding), status, found)

    converse(role, scene, tmp_path, talk)


RAW = (
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
    b"", b"\0" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 20000,
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000, b"GET /v1/status HTTP/1.1\r\nHost\r\n\r\n",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nshort",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab",
    b"POST /v1/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
)  # fmt: skip


def test_what_is_no_http_leaves_the_server_alone(scene: Scene, tmp_path: Path) -> None:
    async def talk(session: aiohttp.ClientSession, hosts: Hosts) -> None:
        port = int(hosts.url.rpartition(":")[2])
        for data in RAW:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            answer = await asyncio.wait_for(reader.read(1 << 16), 30)
            assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), (data[:80], answer[:200])
            writer.close()

    converse("worker", scene, tmp_path, talk)


def test_a_bug_of_ours_is_told_without_its_words() -> None:
    async def broken(request: web.Request) -> web.Response:
        raise ZeroDivisionError("a secret stands here")

    async def go() -> None:
        async with serve_http([web.get("/x", broken)], "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
            status, fields = await ask(session, "GET", f"http://127.0.0.1:{port}/x")
            assert (status, fields["code"]) == (500, "http.internal")
            assert "secret" not in str(fields)

    asyncio.run(go())


def test_the_table_names_real_messages() -> None:
    assert set(RECORDS.values()) <= m.WORKER_REQUESTS.names | m.GATEKEEPER_REQUESTS.names | HOLD.names
