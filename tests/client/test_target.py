"""Network descriptions by folder, file and URL; pinned ids; hints."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coprocessor.client.target import load_target
from coprocessor.protocol.genesis import MAX_NETWORK_FILE, network_to_json
from coprocessor.values.errors import CoprocessorError
from coprocessor.values.identities import to_hex
from tests.support.receipt_world import World

WORLD = World()
TEXT = network_to_json(WORLD.network, {"rpc": "http://127.0.0.1:1"})


@contextmanager
def served(text: str) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/network.json" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_folder_and_its_file_name_the_same_network(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(TEXT)
    by_folder, by_file = load_target(tmp_path), load_target(str(tmp_path / "network.json"))
    assert by_folder == by_file
    assert by_folder.folder == tmp_path
    assert by_folder.id == WORLD.network_id
    assert by_folder.rpc_url() == "http://127.0.0.1:1"


def test_a_url_names_a_network_without_a_folder() -> None:
    with served(TEXT) as url:
        for form in (url, url + "/", url + "/network.json"):
            target = load_target(form, pinned=to_hex(WORLD.network_id))
            assert target.network == WORLD.network
            assert target.folder is None
        with pytest.raises(CoprocessorError) as caught:
            load_target(url + "/elsewhere.json")
    assert caught.value.code == "network.unreachable"


def test_another_network_than_the_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(TEXT)
    with pytest.raises(CoprocessorError) as caught:
        load_target(tmp_path, pinned="0x" + "00" * 32)
    assert caught.value.code == "network.pinned"


def test_what_is_missing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CoprocessorError, match="phat up") as caught:
        load_target(tmp_path)
    assert caught.value.code == "network.not_found"


@pytest.mark.parametrize("text", ["", "[]", "{", "x" * (MAX_NETWORK_FILE + 1), TEXT.replace("31337", "31338")])
def test_what_is_no_description_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "network.json").write_text(text)
    with pytest.raises(CoprocessorError) as caught:
        load_target(tmp_path)
    assert caught.value.family == "malformed"
    with served(text) as url, pytest.raises(CoprocessorError):
        load_target(url)


def test_a_dead_url_is_unreachable() -> None:
    with served(TEXT) as url:
        pass
    with pytest.raises(CoprocessorError) as caught:
        load_target(url)
    assert caught.value.code == "network.unreachable"


def test_no_hint_at_a_node_is_told(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text(network_to_json(WORLD.network))
    with pytest.raises(CoprocessorError) as caught:
        load_target(tmp_path).rpc_url()
    assert caught.value.code == "network.no_rpc"
