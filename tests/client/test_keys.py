"""Key files: read strictly, never when others could read them too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from coprocessor.client.keys import default_key, load_key
from coprocessor.values.errors import CallerMisuse
from tests.support.receipt_world import World, key

SECRET = key(7)


@pytest.mark.parametrize("form", ["{}", "0x{}", "{}\n", "  0x{}  \n"])
def test_a_key_file_holds_hexadecimal_digits(tmp_path: Path, form: str) -> None:
    file = tmp_path / "key"
    file.write_text(form.format(SECRET.secret.hex()))
    file.chmod(0o600)
    assert load_key(file).address == SECRET.address


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 32, "11" * 31, "11" * 33, "x" * 5000])
def test_other_content_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(CallerMisuse) as caught:
        load_key(file)
    assert caught.value.code == "key.malformed"
    assert "zz" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET.secret.hex())
    file.chmod(mode)
    with pytest.raises(CallerMisuse, match="chmod 600") as caught:
        load_key(file)
    assert caught.value.code == "key.permissions"
    assert SECRET.secret.hex() not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(CallerMisuse) as caught:
        load_key(tmp_path / "none")
    assert caught.value.code == "key.not_found"


def test_only_development_networks_have_a_default_key() -> None:
    network = World().network
    assert default_key(network).address.hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    live = replace(network, configuration=replace(network.configuration, development=False))
    with pytest.raises(CallerMisuse) as caught:
        default_key(live)
    assert caught.value.code == "key.required"
