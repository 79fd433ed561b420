"""Fetching collateral: bare evidence becomes whole; services that fail are named."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from coprocessor.attestation.collateral import MAX_ANSWER_LENGTH
from coprocessor.attestation.evidence import Evidence, decode_evidence, encode_evidence
from coprocessor.attestation.verify import verify_evidence
from coprocessor.enclave import messages as m
from coprocessor.host.collateral import CollateralServices, complete_attested, complete_evidence
from coprocessor.host.http import serve_http
from coprocessor.values.errors import PeerUnreachable
from tests.attestation import samples
from tests.attestation.samples import FORMATS, NOW
from tests.attestation.test_collateral import answer_as_intel, bare

PATHS = {"pckcrl": "pck_crl", "root": "root_ca_crl", "tcb": "tcb_info", "identity": "qe_identity"}


async def complete(evidence: Evidence, handler: object) -> Evidence:
    routes = [web.get("/{tail:.*}", handler)]  # type: ignore[arg-type]
    async with serve_http(routes, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        return decode_evidence(
            await complete_evidence(encode_evidence(evidence), CollateralServices(url, f"{url}/root", url))
        )


@pytest.mark.parametrize("name", FORMATS)
def test_bare_evidence_is_completed(name: str) -> None:
    whole = samples.evidence(name)
    answers = answer_as_intel(whole.collateral)

    async def intel(request: web.Request) -> web.Response:
        answer = answers[PATHS[request.path.rpartition("/")[2]]]
        return web.Response(body=answer.body, headers=dict(answer.headers))

    found = asyncio.run(complete(bare(whole), intel))
    assert verify_evidence(found, NOW) == verify_evidence(whole, NOW)


def test_whole_evidence_is_left_alone() -> None:
    data = encode_evidence(samples.SGX)
    attested = m.Attested(data, bytes(32), 1, bytes(32))
    assert asyncio.run(complete_attested(attested)) == attested


@pytest.mark.parametrize("fault", ["missing", "too long"])
def test_services_that_fail_are_named(fault: str) -> None:
    async def broken(request: web.Request) -> web.Response:
        if fault == "missing":
            return web.Response(status=404)
        return web.Response(body=bytes(MAX_ANSWER_LENGTH + 1))

    with pytest.raises(PeerUnreachable) as caught:
        asyncio.run(complete(bare(samples.SGX), broken))
    assert caught.value.code == "attestation.collateral_unreachable"


def test_a_service_that_is_not_there_is_named() -> None:
    nowhere = CollateralServices("http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1")
    with pytest.raises(PeerUnreachable):
        asyncio.run(complete_evidence(encode_evidence(bare(samples.SGX)), nowhere))
