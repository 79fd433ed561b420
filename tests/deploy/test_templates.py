"""Templates: nothing with a placeholder, an unpinned image or an open boundary is released."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from deploy import templates
from deploy.templates import TEMPLATES, TemplateRefused, check_text, compute_compose_hash, make_app_compose, render

DIGEST = hashlib.sha256(b"image").hexdigest()
VALUES = {
    "BASE_IMAGE_DIGEST": hashlib.sha256(b"base").hexdigest(),
    "IMAGE_NAME": "registry.example/coprocessor",
    "IMAGE_DIGEST": DIGEST,
    "ISV_SVN": "1",
}
COMPOSE = "dstack/docker-compose.yaml"
MANIFEST = "gramine/worker.manifest.template"


def test_filled_templates_pass_and_name_the_image() -> None:
    texts = render(VALUES)
    assert set(texts) == set(TEMPLATES)
    assert f"registry.example/coprocessor@sha256:{DIGEST}" in texts[COMPOSE]
    assert 'sgx.remote_attestation = "dcap"' in texts[MANIFEST]
    assert "{{ python }}" in texts[MANIFEST], "Gramine's own variables are left to Gramine"


def test_templates_as_they_stand_are_not_released() -> None:
    for name in TEMPLATES:
        with pytest.raises(TemplateRefused, match="no value for"):
            check_text(name, (templates.FOLDER / name).read_text("utf-8"))


@pytest.mark.parametrize("name", VALUES)
def test_each_placeholder_needs_a_value(name: str) -> None:
    with pytest.raises(TemplateRefused, match=name):
        render({key: value for key, value in VALUES.items() if key != name})


def test_values_without_a_place_and_bad_digests_are_refused() -> None:
    with pytest.raises(TemplateRefused, match="TYPO"):
        render(VALUES | {"TYPO": "x"})
    for broken in ("0" * 63, "g" * 64, "latest", ""):
        with pytest.raises(TemplateRefused, match="not pinned"):
            render(VALUES | {"IMAGE_DIGEST": broken})


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (COMPOSE, f"@sha256:{DIGEST}", ":latest"),
        (COMPOSE, "restart: always", "privileged: true"),
        (COMPOSE, "restart: always", "network_mode: host"),
        (COMPOSE, "restart: always", "env_file: secrets"),
        (COMPOSE, "read_only: true", "read_only: false"),
        (COMPOSE, "no-new-privileges:true", "no-new-privileges:false"),
        (MANIFEST, "sgx.debug = false", "sgx.debug = true"),
        (MANIFEST, 'sgx.remote_attestation = "dcap"', 'sgx.remote_attestation = "none"'),
        (MANIFEST, 'loader.log_level = "error"', "loader.insecure__use_cmdline_argv = true"),
        (MANIFEST, "--no-simulated", "--simulated"),
        (MANIFEST, "sgx.trusted_files", "sgx.allowed_files"),
        ("Dockerfile", f"@sha256:{VALUES['BASE_IMAGE_DIGEST']}", ""),
    ],
)
def test_an_open_boundary_is_refused(name: str, old: str, new: str) -> None:
    text = render(VALUES)[name]
    assert old in text
    check_text(name, text)
    with pytest.raises(TemplateRefused):
        check_text(name, text.replace(old, new))


def test_the_compose_hash_is_of_canonical_bytes() -> None:
    data = make_app_compose(render(VALUES)[COMPOSE])
    document = json.loads(data)
    assert json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data
    assert document["allowed_envs"] == []
    assert not any(document[name] for name in ("kms_enabled", "public_logs", "gateway_enabled"))
    assert compute_compose_hash(data) == hashlib.sha256(data).digest()
    assert compute_compose_hash(make_app_compose("other")) != compute_compose_hash(data)


def test_commands_of_templates_exist() -> None:
    """What the templates start is what the package has."""
    root = Path(templates.FOLDER).parent
    assert (root / "src/coprocessor/enclave/worker_main.py").exists()
    source = (root / "src/coprocessor/enclave/process.py").read_text("utf-8")
    for option in ("--fd", "--platform-dir", "--no-simulated"):
        assert option in source
        assert option in render(VALUES)[MANIFEST]
    worker = (root / "src/coprocessor/cli/commands/worker.py").read_text("utf-8")
    options = (root / "src/coprocessor/cli/options.py").read_text("utf-8")
    for option in ("--network", "--operator", "--data"):
        assert option in worker + options
        assert option in render(VALUES)[COMPOSE]
