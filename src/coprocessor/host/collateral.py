"""Fetching collateral: an enclave's evidence leaves the device bare; its host adds what the vendor's service says.

The host is believed by nobody: whoever admits judges collateral by the vendor's signatures and by chain time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Final

import aiohttp

from coprocessor.attestation.collateral import (
    AMD_SERVICE,
    INTEL_ROOT_LIST,
    INTEL_SERVICE,
    MAX_ANSWER_LENGTH,
    Answer,
    assemble_collateral,
    needs_collateral,
    plan_collateral,
)
from coprocessor.attestation.evidence import decode_evidence, encode_evidence
from coprocessor.enclave import messages as m
from coprocessor.values.errors import PeerUnreachable

__all__ = ["CollateralServices", "complete_attested", "complete_evidence", "fetch"]

_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class CollateralServices:
    """Addresses of the vendors' services, or of caches that speak like them."""

    intel: str = INTEL_SERVICE
    intel_root_list: str = INTEL_ROOT_LIST
    amd: str = AMD_SERVICE


async def complete_attested(attested: m.Attested) -> m.Attested:
    """The enclave's answer, with collateral where its evidence lacks some.

    Raises:
        PeerUnreachable, MalformedInput, CallerMisuse: as ``complete_evidence``.
    """
    return replace(attested, evidence=await complete_evidence(attested.evidence))


async def complete_evidence(
    evidence: bytes,
    services: CollateralServices = CollateralServices(),
) -> bytes:
    """Encoded evidence with fresh collateral; unchanged where none is needed.

    Raises:
        PeerUnreachable: ``attestation.collateral_unreachable``.
        MalformedInput: not evidence, or an answer has another form.
        CallerMisuse: ``attestation.collateral_unknown``: no service has it.
    """
    bare = decode_evidence(evidence)
    if not needs_collateral(bare):
        return evidence
    inquiries = plan_collateral(bare, services.intel, services.amd, services.intel_root_list)
    answers = await asyncio.gather(*(fetch(inquiry.url) for inquiry in inquiries))
    found = {inquiry.name: answer for inquiry, answer in zip(inquiries, answers, strict=True)}
    return encode_evidence(assemble_collateral(bare, found))


async def fetch(url: str) -> Answer:
    """What the service at ``url`` answers. Raises PeerUnreachable ``attestation.collateral_unreachable``."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, max_field_size=MAX_ANSWER_LENGTH) as session,
            session.get(url) as response,
        ):
            body = await response.content.read(MAX_ANSWER_LENGTH + 1)
            while len(body) <= MAX_ANSWER_LENGTH and (more := await response.content.read(MAX_ANSWER_LENGTH)):
                body += more
            if response.status != 200 or len(body) > MAX_ANSWER_LENGTH:
                raise _unreachable(url, f"status {response.status}, {len(body)} bytes")
            return Answer(body, {name.lower(): value for name, value in response.headers.items()})
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        raise _unreachable(url, str(error) or type(error).__name__) from error


def _unreachable(url: str, why: str) -> PeerUnreachable:
    return PeerUnreachable(
        "attestation.collateral_unreachable",
        f"the vendor's service does not give {url}",
        why,
        "check this machine's way to the internet; admissions wait until the service answers",
    )
