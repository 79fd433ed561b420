"""Bodies of a gatekeeper's routes: requests to its enclave, and the enclave's replies."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from coprocessor.enclave import messages as m
from coprocessor.host.http import cbor_response
from coprocessor.values.errors import MalformedInput

__all__ = ["answer", "read_body"]


async def read_body(request: web.Request, kind: type) -> Any:
    """The request's message, which MUST be of this kind. Raises MalformedInput."""
    message = m.GATEKEEPER_REQUESTS.decode(await request.read())
    if not isinstance(message, kind):
        raise MalformedInput("gatekeeper.request", f"{kind.__name__} is taken here, not {type(message).__name__}")
    return message


def answer(reply: Any) -> web.Response:
    """The enclave's reply as it is."""
    return cbor_response(m.GATEKEEPER_REPLIES.encode(reply))
