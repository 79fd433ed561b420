"""``vectors/labels.json``: the grammar of labels, and every label there is (PROTOCOL 8.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coprocessor.crypto.labels import Label
from tests.vectors import world
from tests.vectors.form import Case, Subject, raw


def _context(given: Mapping[str, Any]) -> dict[str, Any]:
    parts = [raw(part) for part in given["parts"]]
    return {"context": Label(given["label"]).context(raw(given["network"]), *parts, insecure=given["insecure"])}


def _cases() -> list[Case]:
    def case(name: str, label: Label, network: bytes, *parts: bytes, insecure: bool = False, error: str = "") -> Case:
        given = {"label": label.value, "network": network, "parts": list(parts), "insecure": insecure}
        return Case(name, "8.1", "context", given, error or None)

    network = world.NETWORK_ID
    return [
        *(case(f"label {label.value}", label, network) for label in Label),
        case("no network", Label.EVIDENCE, b"", b"body", b"sgx"),
        case("two parts", Label.OUTPUT_KEY, network, world.heads()[4], bytes(4)),
        case("an empty part is a part", Label.OUTPUT_KEY, network, b"", world.heads()[4]),
        case("simulated hardware", Label.STATE_KEY, network, world.CLUSTER, insecure=True),
        case("a network of 31 bytes", Label.STATE_KEY, network[:31], error="label.network"),
    ]


def subject() -> Subject:
    """The file's content."""
    return Subject("labels", "docs/specification/labels.md", {"context": _context}, _cases())
