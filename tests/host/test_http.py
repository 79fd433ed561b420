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


def at(*urls: str) -> Callable[[], Awaitable[list[str]]]:
    """Gatekeepers that are always found at these URLs."""

    async def find() -> list[str]:
        return list(urls)

    return find


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


def ticket_of(name: str, ticket: bytes | None, hang: asyncio.Event | None = None) -> web.RouteDef:
    """A gatekeeper that gives a ticket, refuses, or first waits for ever."""

    async def handler(request: web.Request) -> web.Response:
        if hang is not None:
            await hang.wait()
        if ticket is None:
            raise EvidenceRefused("ticket.behind", "no")
        return cbor_response(m.GATEKEEPER_REPLIES.encode(m.TicketGiven(ticket)))

    return web.post(f"/{name}/v1/ticket", handler)


def test_all_gatekeepers_are_asked_at_once_and_the_first_good_answers_taken() -> None:
    async def test(url: str, peers: PeerClient) -> None:
        gatekeepers = Gatekeepers(peers, at(*(f"{url}/{name}/" for name in "abcde")))
        assert {given.ticket for given in await gatekeepers.tickets(bytes(32), 7, 2)} == {b"1", b"3"}
        with pytest.raises(PeerUnreachable, match="0 gatekeepers are known"):
            await Gatekeepers(peers, at()).tickets(bytes(32), 7, 1)

    silent = [ticket_of(name, b"?", asyncio.Event()) for name in "de"]
    serve([ticket_of("a", b"1"), ticket_of("b", None), ticket_of("c", b"3"), *silent], test)


def test_too_few_gatekeepers_say_who_is_missing_and_why() -> None:
    async def test(url: str, peers: PeerClient) -> None:
        gatekeepers = Gatekeepers(peers, at(f"{url}/a", f"{url}/b", "http://127.0.0.1:9"))
        with pytest.raises(PeerUnreachable, match="1 of 3 gatekeepers") as refused:
            await gatekeepers.tickets(bytes(32), 7, 3)
        assert refused.value.code == "gatekeepers.too_few"
        assert f"{url}/b: ticket.behind" in refused.value.why
        assert "http://127.0.0.1:9: peer.unreachable" in refused.value.why
        with pytest.raises(PeerRefused, match="no") as agreed:  # enough of them answer, and agree that it is refused
            await gatekeepers.tickets(bytes(32), 7, 2)
        assert agreed.value.code == "ticket.behind"

    serve([ticket_of("a", b"1"), ticket_of("b", None)], test)


def test_only_equal_admissions_count_together() -> None:
    def member(name: str, expires: int) -> web.RouteDef:
        word = bytes(32)
        fields = (word, word, 1, word, word, word, word, word, 5, True, word, 1, word)
        signed = m.AdmissionSigned(*fields, expires, name.encode())

        async def handler(request: web.Request) -> web.Response:
            return cbor_response(m.GATEKEEPER_REPLIES.encode(signed))

        return web.post(f"/{name}/v1/admit", handler)

    async def test(url: str, peers: PeerClient) -> None:
        gatekeepers = Gatekeepers(peers, at(*(f"{url}/{name}" for name in "abc")))
        request = m.Admit(1, b"", b"", b"", b"", b"", b"", 0, 0, b"")
        assert [one.signature for one in await gatekeepers.admit(request, 2)] == [b"a", b"c"]
        with pytest.raises(PeerUnreachable, match="2 of 3"):
            await gatekeepers.admit(request, 3)

    serve([member("a", 7), member("b", 8), member("c", 7)], test)
