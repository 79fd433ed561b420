"""Templates of deployments: filled in, and refused while a placeholder is left or something in them is not pinned.

Rules:

1. A placeholder is ``@NAME@`` in capitals. ``render`` fills all of them or fails; nothing with one left is released.
2. Images are named by digest (``@sha256:`` and 64 hexadecimal digits); tags alone can be moved.
3. Settings that would open the boundary are refused by name: debugging, arguments from outside, privileges.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["TEMPLATES", "TemplateRefused", "check_text", "compute_compose_hash", "make_app_compose", "render"]

FOLDER: Final = Path(__file__).resolve().parent

TEMPLATES: Final = ("Dockerfile", "dstack/docker-compose.yaml", "gramine/worker.manifest.template", "nitro/Dockerfile")
"""Below this folder."""

_PLACEHOLDER = re.compile(r"@([A-Z][A-Z0-9_]*)@")
_IMAGE = re.compile(r"^\s*(?:image:|FROM)\s+(\S+)", re.MULTILINE)
_PINNED = re.compile(r"[a-z0-9./:_-]+@sha256:[0-9a-f]{64}")
_FORBIDDEN: Final = (
    "privileged: true",
    "network_mode: host",
    "pid: host",
    "env_file",
    "sgx.debug = true",
    "insecure__use_cmdline_argv",
    "insecure__use_host_env",
    "insecure__disable_aslr",
    "allow_all_but_log",
    "sgx.allowed_files",
)
_REQUIRED: Final = {
    ".yaml": ("read_only: true", "no-new-privileges:true"),
    ".template": ("sgx.debug = false", 'sgx.remote_attestation = "dcap"', "--no-simulated"),
}


class TemplateRefused(Exception):
    """A template that must not be released, and why."""


def render(values: Mapping[str, str], folder: Path = FOLDER) -> dict[str, str]:
    """The texts of all templates by name, filled in and checked.

    Raises:
        TemplateRefused: a value is missing, unused or malformed, or a rule is broken.
    """
    used: set[str] = set()
    texts = {}
    for name in TEMPLATES:
        text = (folder / name).read_text("utf-8")
        used |= set(_PLACEHOLDER.findall(text))
        texts[name] = _PLACEHOLDER.sub(lambda found: values.get(found.group(1), found.group(0)), text)
    unused = sorted(set(values) - used)
    if unused:
        raise TemplateRefused(f"no template has a place for {', '.join(unused)}")
    for name, text in texts.items():
        check_text(name, text)
    return texts


def check_text(name: str, text: str) -> None:
    """Raises TemplateRefused where ``text`` breaks a rule."""
    left = sorted(set(_PLACEHOLDER.findall(text)))
    if left:
        raise TemplateRefused(f"{name}: no value for {', '.join(left)}")
    for image in _IMAGE.findall(text):
        if not _PINNED.fullmatch(image):
            raise TemplateRefused(f"{name}: {image} is not pinned by digest")
    for setting in _FORBIDDEN:
        if setting in text:
            raise TemplateRefused(f"{name}: {setting!r} would open the boundary")
    for setting in _REQUIRED.get(Path(name).suffix, ()):
        if setting not in text:
            raise TemplateRefused(f"{name}: {setting!r} is missing")


def make_app_compose(compose: str) -> bytes:
    """dstack's app-compose.json for a compose file: the bytes whose SHA-256 is the compose hash.

    Nothing may be set from outside: no environment, no script before launch, no keys from elsewhere, no public logs.

    **Source:** dstack, app-compose.json: sorted keys, no spaces.
    """
    document: dict[str, Any] = {
        "manifest_version": 2,
        "name": "coprocessor-worker",
        "runner": "docker-compose",
        "docker_compose_file": compose,
        "kms_enabled": False,
        "gateway_enabled": False,
        "local_key_provider_enabled": False,
        "public_logs": False,
        "public_sysinfo": False,
        "allowed_envs": [],
        "no_instance_id": False,
        "secure_time": True,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def compute_compose_hash(app_compose: bytes) -> bytes:
    """32 bytes, as ``DstackMeasurement.compose_hash`` has them."""
    return hashlib.sha256(app_compose).digest()
