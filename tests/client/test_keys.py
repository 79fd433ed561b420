"""Who acts: a key, a key file, or the development account."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coprocessor.client.keys import choose_key, default_key
from coprocessor.values.errors import CallerMisuse
from tests.support.receipt_world import World, key

DEVELOPMENT = World().network
LIVE = replace(DEVELOPMENT, configuration=replace(DEVELOPMENT.configuration, development=False))


def test_a_key_and_its_file_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key(7).secret.hex())
    file.chmod(0o600)
    for given in (key(7), file, str(file)):
        chosen = choose_key(given, LIVE)
        assert chosen is not None
        assert chosen.address == key(7).address


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key(7).secret.hex())
    file.chmod(0o644)
    with pytest.raises(CallerMisuse) as caught:
        choose_key(file, DEVELOPMENT)
    assert caught.value.code == "key.permissions"


def test_only_development_networks_have_a_default_key() -> None:
    assert default_key(DEVELOPMENT).address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    chosen = choose_key(None, DEVELOPMENT)
    assert chosen is not None
    assert chosen.address == default_key(DEVELOPMENT).address
    assert choose_key(None, LIVE) is None
    with pytest.raises(CallerMisuse) as caught:
        default_key(LIVE)
    assert caught.value.code == "key.required"
