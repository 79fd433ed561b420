"""A gatekeeper's routes for pads: what its enclave says to the others' enclaves, and to custodians (PROTOCOL 9.5)."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from coprocessor.enclave import messages as m
from coprocessor.host.gatekeeper_bodies import answer, read_body
from coprocessor.host.http import cbor_response, taking
from coprocessor.host.pad_courier import WAITING_SHARES, PadCourier

__all__ = ["pad_routes"]


def pad_routes(courier: Callable[[], PadCourier]) -> list[web.RouteDef]:
    """The routes of one gatekeeper.

    Args:
        courier: gives the present enclave's, or raises PeerUnreachable.
    """

    async def key(request: web.Request) -> web.Response:
        return cbor_response(m.GATEKEEPER_REQUESTS.encode(await courier().presence()))

    async def keep(request: web.Request) -> web.Response:
        return answer(await courier().keep(await read_body(request, m.KeepPiece)))

    async def give(request: web.Request) -> web.Response:
        return answer(await courier().give(await read_body(request, m.GivePiece)))

    async def confirm(request: web.Request) -> web.Response:
        return answer(await courier().confirm(await read_body(request, m.ConfirmPad)))

    async def waiting(request: web.Request) -> web.Response:
        return cbor_response(WAITING_SHARES.encode(await courier().waiting_share()))

    async def take(request: web.Request) -> web.Response:
        return answer(await courier().take(await read_body(request, m.TakePieces)))

    return [
        web.get("/v1/pads/key", taking(key)),
        web.post("/v1/pads/keep", taking(keep)),
        web.post("/v1/pads/give", taking(give)),
        web.post("/v1/pads/confirm", taking(confirm)),
        web.get("/v1/custody", taking(waiting)),
        web.post("/v1/custody", taking(take)),
    ]
