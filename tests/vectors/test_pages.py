"""The pages of the specification against code and vectors, so that they cannot go stale."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from unittest.mock import patch

import pytest

from coprocessor.attestation.verdict import (
    DstackMeasurement,
    NitroMeasurement,
    SgxMeasurement,
    SnpMeasurement,
    TcbStatus,
    TdxMeasurement,
    compute_level,
)
from coprocessor.chain.artifacts import load_artifact
from coprocessor.codec.eip712 import StructType
from coprocessor.crypto.bls import Purpose
from coprocessor.crypto.hashing import keccak256
from coprocessor.crypto.labels import Label
from coprocessor.enclave import judgement, messages
from coprocessor.host.holding import Hold
from coprocessor.keys.dealing import Complaint, Dealing
from coprocessor.keys.dkg import Announcement
from coprocessor.protocol import commands, layout, queries, receipts, statements, upgrade_policy
from coprocessor.protocol.links import LinkKind
from coprocessor.protocol.output_body import Event, LogLine, OutputBody
from coprocessor.protocol.outputs import Status
from coprocessor.sandbox import runtime
from coprocessor.sandbox.rules import PRICES
from coprocessor.values.network import CONTRACT_NAMES
from tests.vectors.form import Subject
from tests.vectors.subjects import FOLDER, subjects

PAGES = Path(__file__).parents[2] / "docs" / "specification"
WITHOUT_VECTORS = {"README", "guest-abi", "http", "program-package", "python-guest"}
WITHOUT_RULES = {"encoding", "interface", "program-package", "python-guest", "README"}
STRUCTS = (commands._TYPE, receipts._TYPE, statements._ADMISSION, statements._INPUT_KEY, statements._MASTER_KEY,
           statements._GENESIS, statements._HANDOVER, statements._BOUNDARY, statements._BEACON_KEY,
           upgrade_policy._UPGRADE, upgrade_policy._WITHDRAWAL)


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def rows(text: str, *, columns: int) -> list[list[str]]:
    """Cells of every table row with that many columns."""
    found = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in text.splitlines()
             if line.startswith("|") and not set(line) <= set("|- ")]
    return [cells for cells in found if len(cells) == columns]


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.md")))
def test_a_page_names_its_vectors_and_rules_and_stands_in_the_index(name: str) -> None:
    text = page(name)
    assert name == "README" or f"`{name}.md`" in page("README")
    named = re.findall(r"`(?:vectors/)?(\w+\.json)`", text)
    assert name in WITHOUT_VECTORS or any((FOLDER / file).is_file() for file in named), "no vector file is named"
    assert name in WITHOUT_RULES or re.search(r"\b(PROTOCOL )?\d+\.\d", text), "no rule is cited"
    for other in re.findall(r"`([\w-]+\.md)`", text):
        assert (PAGES / other).is_file(), f"there is no {other}"


@pytest.mark.parametrize("subject", subjects().values(), ids=list(subjects()))
def test_a_vector_file_is_named_by_its_page_and_the_index(subject: Subject) -> None:
    assert f"`vectors/{subject.name}.json`" in page(Path(subject.page).stem)
    assert f"`{subject.name}.json`" in page("README")


def test_every_vector_file_stands_in_the_index() -> None:
    for path in FOLDER.glob("*.json"):
        assert f"`{path.name}`" in page("README")


@pytest.mark.parametrize("subject", subjects().values(), ids=list(subjects()))
def test_worked_examples_are_those_of_the_vectors(subject: Subject) -> None:
    """Every digest, address and nonce under "Example" occurs in the page's vectors."""
    known = json.dumps([json.loads(path.read_text("utf-8")) for path in FOLDER.glob("*.json")])
    example = page(Path(subject.page).stem).split("## Example")[1]
    values = re.findall(r"0x[0-9a-f]{24,}", example)
    names = re.findall(r"[Cc]ases? (`[^:]*)[:,]", example)
    assert names
    for value in values:
        assert value in known, f"{value} is in no vector"
    for name in re.findall(r"`([^`]+)`", " ".join(names)):
        assert f'"name": "{name}"' in known, f"there is no case {name!r}"


def test_the_registry_of_labels() -> None:
    listed = [cells[0].strip("`") for cells in rows(page("labels").split("## Registry")[1], columns=4)]
    assert [name for name in listed if name not in ("label", "")] == [label.value for label in Label]


def test_tags_are_those_of_the_contracts() -> None:
    text = page("labels")
    sources = [path.read_text() for path in (Path(__file__).parents[2] / "contracts").rglob("*.vy")]
    tags = {tag for source in sources for tag in re.findall(r'keccak256\("(coprocessor/v1/[a-z-]+)"\)', source)}
    assert len(tags) == 8
    assert all(f"`{tag}`" in text for tag in tags)


def test_link_kinds() -> None:
    listed = {(int(cells[0]), cells[1]) for cells in rows(page("inbox"), columns=4) if cells[0].isdigit()}
    assert listed == {(int(kind), kind.name) for kind in LinkKind}


def test_statuses() -> None:
    listed = ", ".join(f"{int(status)} {status.name.lower()}" for status in Status)
    assert listed in page("outputs")


def test_output_body() -> None:
    listed = [cells[0] for cells in rows(page("outputs").split("`OutputBody`")[1], columns=3)]
    assert [name for name in listed if name in OutputBody.__slots__] == list(OutputBody.__slots__)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.name)
def test_typed_structs(struct: StructType) -> None:
    assert f"`{struct.encoded_type()}`" in page("encoding")


@pytest.mark.parametrize(("name", "struct"), [("receipts", receipts._TYPE), ("commands", commands._TYPE)])
def test_a_struct_is_spelt_out_on_its_page(name: str, struct: StructType) -> None:
    assert f"    {struct.encoded_type()}\n" in page(name)


def test_void_rules() -> None:
    """Every rule that the judge can name, and no other."""
    listed = {cells[0].strip("`") for cells in rows(page("commands"), columns=2) if cells[0].startswith("`void.")}
    source = Path(inspect.getfile(judgement)).read_text() + Path(inspect.getfile(commands)).read_text()
    assert listed == set(re.findall(r'"(void\.[a-z]+)"', source))


def test_domain_separation_tags() -> None:
    text = page("keys")
    assert all(f"`{purpose.value.decode()}`" in text for purpose in Purpose)


RECORDS = [
    ("keys", Announcement), ("keys", Dealing), ("keys", Complaint), ("outputs", Event), ("outputs", LogLine),
]


@pytest.mark.parametrize(("name", "record"), RECORDS, ids=lambda value: getattr(value, "__name__", value))
def test_records(name: str, record: type) -> None:
    """A record's fields stand on its page, in order."""
    line = next(line for line in page(name).splitlines() if f"`{record.__name__}" in line)
    at = [re.search(rf"\b{item.name}\b", line.split(record.__name__)[1]) for item in dataclasses.fields(record)]
    places = [match.start() for match in at if match]
    assert len(places) == len(at)
    assert places == sorted(places)


WIRE = (messages.MakeReceipt, messages.SignedReceipt, messages.Admit, messages.AdmissionSigned, messages.Genesis,
        messages.SignKeys, messages.KeysSigned, messages.GiveTicket, messages.TicketGiven, Hold,
        messages.Release, messages.Released, messages.SignBeacon, messages.BeaconSigned)


def test_records_over_http() -> None:
    table = page("http").split("## Records")[1].split("## JSON")[0]
    listed = {cells[0].strip("`"): re.sub(r" \([^)]*\)|:.*| over .*", "", cells[1]).split(", ")
              for cells in rows(table, columns=2) if cells[0].startswith("`")}
    assert listed == {kind.__name__: [item.name for item in dataclasses.fields(kind)] for kind in WIRE}


def test_prices_of_host_functions() -> None:
    text = page("guest-abi")
    listed = {cells[0].strip("`").split("(")[0]: cells[2] for cells in rows(text, columns=3) if "(" in cells[0]}
    for name, price in PRICES.items():
        if name in listed:
            numbers = [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", listed[name])]
            assert numbers[: 1 + bool(price.per_byte)] == [price.base, price.per_byte][: 1 + bool(price.per_byte)], name
    assert {"kv_scan_entry", *listed} == set(PRICES)


def test_parts_of_the_runtime_id() -> None:
    table = page("guest-abi").split("## Runtime id")[1].split("## Programs")[0]
    listed = [cells[0].strip("`") for cells in rows(table, columns=2)[1:]]
    made: list[dict[str, object]] = []
    with patch.object(runtime.cbor, "dumps", side_effect=lambda content: made.append(content) or b""):
        assert runtime.Runtime("1", ()).id
    assert list(made[0]) == listed


def test_levels() -> None:
    text = page("attestation")
    for status in TcbStatus:
        if status is not TcbStatus.REVOKED:
            level = compute_level(status, ())
            assert any(f"`{status.value}`" in cells[0] and cells[1].startswith(str(level))
                       for cells in rows(text, columns=2))


MEASUREMENTS = [SgxMeasurement, TdxMeasurement, DstackMeasurement, SnpMeasurement, NitroMeasurement]


def test_measurements() -> None:
    """Every kind of measurement with its fields in order."""
    listed = [re.sub(r" \([^)]*\)|:.*", "", cells[1]).replace(";", ",").split(", ")
              for cells in rows(page("attestation").split("fields of a measurement")[1], columns=2)[:5]]
    assert listed == [[item.name for item in dataclasses.fields(kind)] for kind in MEASUREMENTS]


def test_error_codes_are_real() -> None:
    """Every code that a page names stands in the list of errors, or is a void rule or a reason of a ceremony."""
    known = set(re.findall(r"`([a-z0-9]+\.[a-z_]+)`", (PAGES.parent / "errors.md").read_text("utf-8")))
    for path in PAGES.glob("*.md"):
        for code in re.findall(r"`([a-z]+\.[a-z_]+)`", path.read_text("utf-8")):
            family = code.split(".")[0]
            is_code = family in {name.split(".")[0] for name in known} and code not in ("abi.encode", "abi.decode")
            if is_code and not code.endswith((".md", ".json", ".py", ".vy")):
                assert code in known or family in ("void", "dkg"), f"{path.name}: {code}"


def test_query_reply_fields() -> None:
    text = page("queries").split("## Reply")[1].split("## Statements")[0]
    listed = ", ".join(cells[0] for cells in rows(text, columns=2)[1:])
    assert [name.strip().replace(" ", "_") for name in listed.split(",")] == list(queries.QueryReply.__slots__)


def _slots() -> dict[str, dict[str, tuple[int, list[str]]]]:
    found: dict[str, dict[str, tuple[int, list[str]]]] = {}
    contract = ""
    for cells in rows(page("headers").split("## Slots")[1], columns=5):
        contract = cells[0] or contract
        if cells[2].isdigit():
            found.setdefault(contract, {})[cells[1].strip("`")] = (int(cells[2]), cells[4].split(", "))
    return found


def test_storage_slots() -> None:
    """The table agrees with the compiled contracts, and with the fields that the code proves."""
    listed = _slots()
    for contract, variables in listed.items():
        compiled = load_artifact(contract).storage_layout
        for variable, (slot, _) in variables.items():
            assert compiled[variable] == slot, f"{contract}.{variable}"
    for contract, known in layout.VARIABLES.items():
        assert known.items() <= {name: slot for name, (slot, _) in listed[contract].items()}.items()
    for name, members in layout.STRUCTS.items():
        contract, variable = name.split(".")
        assert [field.split(" ")[0] for field in listed[contract][variable][1]] == list(members)


def test_contract_names_in_the_order_of_the_file() -> None:
    assert ", ".join(f"`{name}`" for name in CONTRACT_NAMES) in page("network").replace("\n", " ")


EVENTS = [("inbox", "Inbox", "Link"), ("inbox", "Inbox", "Requested"), ("receipts", "Settlement", "Settled"),
          ("receipts", "Settlement", "Delivered"), ("network", "Programs", "CodeChunk"),
          ("network", "Programs", "CodePublished")]


@pytest.mark.parametrize(("name", "contract", "event"), EVENTS)
def test_events(name: str, contract: str, event: str) -> None:
    found = load_artifact(contract).interface.event(event)
    members = ", ".join(f"{kind}{' indexed' if indexed else ''} {member}" for member, kind, indexed in found.members)
    text = re.sub(r"\s+", " ", page(name))
    assert f"{event}({members})" in text
    if "topic 0" in text.split(f"{event}(")[1][:400] and event != "Delivered":
        assert found.topic.hex() in text


def test_function_selectors() -> None:
    function = load_artifact("Settlement").interface.function("settle")
    signature = f"settle({','.join(function.inputs)})"
    assert f"{signature}   0x{keccak256(signature.encode())[:4].hex()}" in page("receipts")
