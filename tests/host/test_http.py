"""Hosts' HTTP: bounds, one form of errors, and peers that answer badly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from coprocessor.enclave import messages as m
from coprocessor.host import http
from coprocessor.host.gatekeepers import Gatekeepers
from coprocessor.host.http import PeerClient, PeerRefused, cbor_response, json_response, query_integer, serve_http
from coprocessor.values.errors import CallerMisuse, EvidenceRefused, MalformedInput, PeerUnreachable

Handler = Callable[[web.Request], Awaitable[web.Response]]


def serve(routes: list[web.RouteDef], test: Callable[[str, PeerClient], Awaitable[None]]) -> None:
    async def go() -> None:
        peers = PeerClient()
        try:
            async with serve_http(routes, "127.0.0.1", 0) as port:
                await test(f"http://127.0.0.1:{port}", peers)
        finally:
            await peers.close()

    asyncio.run(go())


async def fetch(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, url, data=data) as response:
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MalformedInput("a.b", "what", "why", "next"), 400),
        (CallerMisuse("a.b", "what", "why", "next"), 400),
        (EvidenceRefused("a.b", "what", "why", "next"), 403),
        (PeerUnreachable("a.b", "what", "why", "next"), 503),
    ],
)
def test_errors_have_one_form_on_both_sides(error: Any, status: int) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise error

    async def test(url: str, peers: PeerClient) -> None:
        fields = {"ok": False, "code": "a.b", "what": "what", "why": "why", "next": "next"}
        assert await fetch(f"{url}/x") == (status, fields)
        with pytest.raises(PeerRefused) as caught:
            await peers.get_json(f"{url}/x")
        assert caught.value.to_dict() == {name: fields[name] for name in ("code", "what", "why", "next")}

    serve([web.get("/x", handler)], test)


def test_unknown_routes_methods_and_long_bodies() -> None:
    async def handler(request: web.Request) -> web.Response:
        return json_response({"length": len(await request.read())})

    async def test(url: str, peers: PeerClient) -> None:
        status, fields = await fetch(f"{url}/nowhere")
        assert (status, fields["code"]) == (404, "http.not_found")
        status, fields = await fetch(f"{url}/x")
        assert (status, fields["code"]) == (405, "http.method")
        status, fields = await fetch(f"{url}/x", "POST", bytes(http.MAX_BODY + 1))
        assert (status, fields["code"]) == (413, "http.too_long")
        assert await fetch(f"{url}/x", "POST", bytes(1000)) == (200, {"length": 1000})

    serve([web.post("/x", handler)], test)


def test_too_many_and_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_REQUESTS", 1)
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.2)
    entered = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        return json_response({})

    async def test(url: str, peers: PeerClient) -> None:
        first = asyncio.create_task(fetch(f"{url}/x"))
        await entered.wait()
        status, fields = await fetch(f"{url}/x")
        assert (status, fields["code"]) == (503, "http.busy")
        status, fields = await first
        assert (status, fields["code"]) == (504, "http.timeout")

    serve([web.get("/x", handler)], test)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0x1", "٣", "9" * 30, "5"])
def test_query_integers(text: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return json_response({"n": query_integer(request, "n", 4)})

    async def test(url: str, peers: PeerClient) -> None:
        status, fields = await fetch(f"{url}/x?n={text}")
        assert (status, fields["code"]) == (400, "http.parameter")

    serve([web.get("/x", handler)], test)


def test_a_port_in_use() -> None:
    async def test(url: str, peers: PeerClient) -> None:
        with pytest.raises(CallerMisuse) as caught:
            async with serve_http([], "127.0.0.1", int(url.rsplit(":", 1)[1])):
                raise AssertionError("the port is taken")
        assert caught.value.code == "http.port"

    serve([], test)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (web.Response(body=b"not json"), MalformedInput),
        (web.Response(body=b"[1]", status=500), PeerUnreachable),
        (web.Response(body=b'{"x": 1}', status=500), PeerUnreachable),
        (web.Response(status=302, headers={"Location": "/x"}), PeerUnreachable),
    ],
)
def test_peers_that_answer_badly(answer: web.Response, error: type[Exception]) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return answer

    async def test(url: str, peers: PeerClient) -> None:
        with pytest.raises(error):
            await peers.get_json(f"{url}/x")

    serve([web.get("/x", handler)], test)


def test_a_peer_that_talks_too_much_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 100)

    async def handler(request: web.Request) -> web.Response:
        return json_response("x" * 200)

    async def test(url: str, peers: PeerClient) -> None:
        with pytest.raises(MalformedInput, match="more than 100"):
            await peers.get_json(f"{url}/x")
        with pytest.raises(PeerUnreachable, match="did not answer"):
            await peers.get_json("http://127.0.0.1:9/x")

    serve([web.get("/x", handler)], test)


def test_gatekeepers_are_asked_until_enough_have_answered() -> None:
    asked: list[str] = []

    def member(name: str, ticket: bytes | None) -> web.RouteDef:
        async def handler(request: web.Request) -> web.Response:
            asked.append(name)
            if ticket is None:
                raise EvidenceRefused("admission.no", "no")
            return cbor_response(m.GATEKEEPER_REPLIES.encode(m.TicketGiven(ticket)))

        return web.post(f"/{name}/v1/ticket", handler)

    async def test(url: str, peers: PeerClient) -> None:
        gatekeepers = Gatekeepers(peers, [f"{url}/{name}/" for name in "abcd"])
        assert [given.ticket for given in await gatekeepers.tickets(bytes(32), 2)] == [b"1", b"3"]
        assert asked == ["a", "b", "c"]
        with pytest.raises(PeerRefused, match="no"):
            await gatekeepers.tickets(bytes(32), 4)
        with pytest.raises(PeerUnreachable, match="0 gatekeepers are known"):
            await Gatekeepers(peers, []).tickets(bytes(32), 1)

    serve([member("a", b"1"), member("b", None), member("c", b"3"), member("d", b"4")], test)
