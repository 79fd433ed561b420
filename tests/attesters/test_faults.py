"""Devices that hang, answer an earlier question, deny access, say too much or too little: each attester names it and
goes on."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from coprocessor.attestation.evidence import Evidence, EvidenceKind
from coprocessor.attestation.verify import read_report_data
from coprocessor.attesters import dstack
from coprocessor.attesters.attester import Attester
from coprocessor.attesters.device import MAX_DEVICE_ANSWER, PatientDevice, write_report_data
from coprocessor.attesters.dstack import DstackAttester
from coprocessor.attesters.gramine import GramineAttester
from coprocessor.attesters.nitro import NitroAttester
from coprocessor.attesters.tsm import TsmAttester
from coprocessor.codec import cbor
from coprocessor.values.errors import MalformedInput, PeerUnreachable
from tests.attestation import samples
from tests.attestation.material import FOLDER, needs_material
from tests.attesters.fakes import FakeTsm, dstack_answers, fake_dstack, fake_gramine, fake_nsm, release
from tests.attesters.test_hardware import DATA, NOW, OTHER, nitro_document, refusal, sgx_quote, snp_report, tdx_quote

SOON = 0.15
"""Seconds that the hanging devices of these tests are given."""

Quote = Callable[[bytes], bytes]
QUOTES: dict[str, Quote] = {
    "Gramine SGX": sgx_quote,
    "configfs-tsm": tdx_quote,
    "configfs-tsm SEV-SNP": snp_report,
    "dstack": tdx_quote,
    "Nitro": nitro_document,
}


@contextmanager
def open_fake(name: str, folder: Path, quote: Quote) -> Iterator[Attester]:
    """An attester over a fake that serves ``quote``."""
    if name == "Gramine SGX":
        with fake_gramine(folder / "attestation", quote) as path:
            yield GramineAttester(path)
    elif name == "dstack":
        with fake_dstack(folder / "dstack.sock", dstack_answers(quote)) as path:
            yield DstackAttester(path)
    elif name == "Nitro":
        (folder / "nsm").touch()
        answer = fake_nsm(lambda fields: cbor.dumps({"Attestation": {"document": quote(fields["user_data"])}}))
        yield NitroAttester(folder / "nsm", answer)
    else:
        provider = "sev_guest" if "SNP" in name else "tdx_guest"
        yield TsmAttester(folder, FakeTsm(quote, provider).make_entry)


@pytest.mark.parametrize("name", QUOTES)
def test_an_answer_to_another_question_is_none(name: str, tmp_path: Path) -> None:
    with open_fake(name, tmp_path, lambda data: QUOTES[name](OTHER)) as attester:
        assert "other report data" in refusal(attester)


@pytest.mark.parametrize("name", QUOTES)
@pytest.mark.parametrize("cut", [1, 200, 100_000])
def test_a_short_answer_is_named(name: str, cut: int, tmp_path: Path) -> None:
    """The end of the evidence is missing, or all of it; padding of devices is no evidence."""
    whole = QUOTES[name](DATA).rstrip(b"\0") if name != "configfs-tsm SEV-SNP" else snp_report(DATA)
    with open_fake(name, tmp_path, lambda data: whole[:-cut]) as attester:
        assert "MalformedInput" in refusal(attester)


@pytest.mark.parametrize("name", QUOTES)
def test_an_oversized_answer_is_named(name: str, tmp_path: Path) -> None:
    with open_fake(name, tmp_path, lambda data: QUOTES[name](data) + bytes(MAX_DEVICE_ANSWER)) as attester:
        assert refusal(attester)


@pytest.mark.parametrize(("name", "other"), [("Gramine SGX", tdx_quote), ("configfs-tsm", sgx_quote)])
def test_evidence_of_another_format_is_named(name: str, other: Quote, tmp_path: Path) -> None:
    with open_fake(name, tmp_path, other) as attester:
        assert "MalformedInput" in refusal(attester)


@pytest.mark.parametrize("make", [GramineAttester, TsmAttester, DstackAttester, NitroAttester])
def test_denied_access_is_named(
    make: Callable[[Path], Attester], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No fake serves here: its thread would be denied too."""

    def deny(*arguments: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    class DeniedSocket(socket.socket):
        connect = deny

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", deny)
        patch.setattr(dstack.socket, "socket", DeniedSocket)
        assert "Permission denied" in refusal(make(tmp_path))


# ---- devices that hang


@contextmanager
def hung_gramine(folder: Path) -> Iterator[Attester]:
    (folder / "attestation_type").write_text("dcap")
    (folder / "user_report_data").write_bytes(bytes(64))
    os.mkfifo(folder / "quote")
    yield GramineAttester(folder, SOON)
    wake(folder / "quote")


@contextmanager
def hung_tsm(folder: Path) -> Iterator[Attester]:
    entries = []

    def make_entry(entry: Path) -> None:
        entry.mkdir()
        (entry / "generation").write_text("0")
        os.mkfifo(entry / "outblob")
        entries.append(entry)

    yield TsmAttester(folder, make_entry, seconds=SOON)
    wake(entries[0] / "outblob")


@contextmanager
def hung_nitro(folder: Path) -> Iterator[Attester]:
    (folder / "nsm").touch()
    woken = threading.Event()
    yield NitroAttester(folder / "nsm", lambda *arguments: woken.wait(10), seconds=SOON)
    woken.set()


def wake(fifo: Path) -> None:
    """Lets go a reader that waits at a FIFO nobody writes to."""
    with contextlib.suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    release(fifo)


@pytest.mark.parametrize("hang", [hung_gramine, hung_tsm, hung_nitro])
def test_a_device_that_hangs_is_given_up_and_asked_no_more(
    hang: Callable[[Path], AbstractContextManager[Attester]], tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    with hang(tmp_path) as attester:
        assert "did not answer within 0.15 seconds" in refusal(attester)
        for _ in range(3):
            assert "an earlier question" in refusal(attester)
        assert len(set(threading.enumerate()) - before) == 1, "one thread waits, however often it is asked"


@pytest.mark.parametrize("drips", [False, True])
def test_a_dstack_that_hangs_or_drips_is_given_up(drips: bool, tmp_path: Path) -> None:
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "dstack.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while not ended.wait(SOON / 10):
                    if drips:
                        connection.sendall(b"H")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert "TimeoutError" in refusal(DstackAttester(tmp_path / "dstack.sock", SOON))
        ended.set()
        thread.join(10)


def test_a_device_that_recovers_is_asked_again() -> None:
    woken, device = threading.Event(), PatientDevice("a device", SOON)
    with pytest.raises(PeerUnreachable):
        device.ask(lambda: woken.wait(10))
    with pytest.raises(PeerUnreachable):
        device.ask(lambda: 5)
    woken.set()
    waiting = device._unanswered
    assert waiting is not None
    waiting.join(10)
    device._seconds = 10  # however busy this machine is
    assert device.ask(lambda: 5) == 5
    with pytest.raises(KeyError):
        device.ask(lambda: {}["absent"])


def test_report_data_go_in_by_one_whole_write() -> None:
    class Device:
        def write(self, data: bytes, /) -> int | None:
            return len(data) - 1

    with pytest.raises(OSError, match="took 63 bytes"):
        write_report_data(Device(), DATA)


# ---- what an answer is over


@pytest.mark.parametrize("name", QUOTES)
def test_an_answer_says_what_it_is_over(name: str, tmp_path: Path) -> None:
    with open_fake(name, tmp_path, QUOTES[name]) as attester:
        assert read_report_data(attester.quote(DATA, NOW)) == DATA


def test_a_quote_of_another_kind_is_over_nothing() -> None:
    with pytest.raises(MalformedInput) as caught:
        read_report_data(Evidence(EvidenceKind.TDX, samples.SGX.quote))
    assert caught.value.code == "attestation.kind"


@needs_material
def test_a_real_answer_of_dstack_is_taken(tmp_path: Path) -> None:
    """What an agent of version 0.6 gave, byte for byte: its log has no digests of runtime events."""
    answer = (FOLDER / "dstack" / "tdx-lite-getquote.json").read_bytes()
    asked = bytes.fromhex(json.loads(answer)["report_data"])
    with fake_dstack(tmp_path / "dstack.sock", lambda method, fields: (200, answer)) as path:
        evidence = DstackAttester(path).quote(asked.ljust(64, b"\0"), NOW)
        assert "other report data" in refusal(DstackAttester(path))
    assert evidence.kind is EvidenceKind.TDX
    assert evidence.extra("event-log")
