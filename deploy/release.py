"""Renders a deployment, makes the signed release record, and verifies one.

    python -m deploy.release render --value BASE_IMAGE_DIGEST=... --value IMAGE_DIGEST=... ... --out DIR
    python -m deploy.release make --rendered DIR --image sha256:... --measurement FILE ... --key FILE --out release.json
    python -m deploy.release verify release.json --signer 0x... [--source DIR] [--rendered DIR]

A measurement file is JSON: ``{"form": "sgx", "mrenclave": "0x…", …}`` with all fields of its form
(docs/measurements.md). ``make`` refuses a working tree with changes, and a rendered folder with placeholders. Exit
status 0 or 1.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coprocessor import __version__
from coprocessor.chain.keyfile import load_key_file
from coprocessor.values.errors import CoprocessorError
from deploy.record import (
    MAX_RECORD_LENGTH,
    NamedMeasurement,
    RecordRefused,
    ReleaseRecord,
    SignedRecord,
)
from deploy.templates import (
    TemplateRefused,
    check_text,
    compute_compose_hash,
    make_app_compose,
    render,
)

ROOT = Path(__file__).resolve().parents[1]
APP_COMPOSE = "dstack/app-compose.json"
LOCK = "requirements.lock"


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the command line says; exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (RecordRefused, TemplateRefused, CoprocessorError, OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"refused: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("render", help="fill the templates in")
    verb.add_argument("--value", action="append", default=[], metavar="NAME=TEXT", help="of a placeholder")
    verb.add_argument("--out", type=Path, required=True, help="a new folder")
    verb.set_defaults(run=_render)
    verb = verbs.add_parser("make", help="make and sign the record")
    verb.add_argument("--rendered", type=Path, required=True, help="folder that render made")
    verb.add_argument("--image", required=True, metavar="sha256:HEX", help="the image's digest")
    verb.add_argument("--measurement", type=Path, action="append", required=True, help="JSON file; may be repeated")
    verb.add_argument("--key", type=Path, required=True, help="key file of who releases")
    verb.add_argument("--source", type=Path, default=ROOT, help="the clone")
    verb.add_argument("--out", type=Path, required=True, help="the record")
    verb.set_defaults(run=_make)
    verb = verbs.add_parser("verify", help="check a record")
    verb.add_argument("record", type=Path)
    verb.add_argument("--signer", required=True, help="address of who must have signed")
    verb.add_argument("--source", type=Path, help="a clone that must be the record's")
    verb.add_argument("--rendered", type=Path, help="a folder that must hold the record's files")
    verb.set_defaults(run=_verify)
    return parser


def _render(options: argparse.Namespace) -> None:
    pairs = [value.partition("=") for value in options.value]
    texts = render({name: text for name, _, text in pairs})
    options.out.mkdir(parents=True)
    app_compose = make_app_compose(texts["dstack/docker-compose.yaml"])
    files = {name: text.encode() for name, text in texts.items()} | {APP_COMPOSE: app_compose}
    for name, data in files.items():
        (options.out / name).parent.mkdir(parents=True, exist_ok=True)
        (options.out / name).write_bytes(data)
    sys.stdout.write(f"{len(files)} files in {options.out}\ncompose-hash 0x{compute_compose_hash(app_compose).hex()}\n")


def _make(options: argparse.Namespace) -> None:
    image = options.image.removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", image):
        raise RecordRefused(f"{options.image} is no digest of an image")
    files = _read_rendered(options.rendered)
    if not any(f"@sha256:{image}".encode() in data for data in files.values()):
        raise RecordRefused(f"no rendered file names the image sha256:{image}")
    measurements = [_read_measurement(path) for path in options.measurement]
    record = ReleaseRecord(
        version=__version__,
        commit=_read_commit(options.source),
        lock=hashlib.sha256((options.source / LOCK).read_bytes()).digest(),
        image=bytes.fromhex(image),
        files=tuple(sorted((name, hashlib.sha256(data).digest()) for name, data in files.items())),
        measurements=tuple(sorted(measurements, key=lambda named: named.digest)),
    )
    signed = record.sign(load_key_file(options.key))
    options.out.write_text(signed.to_json(), "utf-8")
    sys.stdout.write(f"{options.out}: release record 0x{record.digest.hex()}, signed by 0x{signed.signer.hex()}\n")


def _verify(options: argparse.Namespace) -> None:
    if options.record.stat().st_size > MAX_RECORD_LENGTH:
        raise RecordRefused(f"{options.record} is longer than {MAX_RECORD_LENGTH} bytes")
    signed = SignedRecord.from_json(options.record.read_bytes())
    expected = options.signer.removeprefix("0x").lower()
    if signed.signer.hex() != expected:
        raise RecordRefused(f"0x{signed.signer.hex()} signed it, not 0x{expected}")
    record = signed.record
    if options.source:
        if record.commit != _read_commit(options.source):
            raise RecordRefused(f"{options.source} is another commit than 0x{record.commit.hex()}, or has changes")
        if record.lock != hashlib.sha256((options.source / LOCK).read_bytes()).digest():
            raise RecordRefused(f"{options.source / LOCK} is another lock")
    if options.rendered:
        files = _read_rendered(options.rendered)
        if record.files != tuple(sorted((name, hashlib.sha256(data).digest()) for name, data in files.items())):
            raise RecordRefused(f"{options.rendered} holds other files than the record names")
    checked = ["signature", *(name for name in ("source", "rendered") if getattr(options, name))]
    sys.stdout.write(f"good: version {record.version}, commit 0x{record.commit.hex()}; checked: {', '.join(checked)}\n")
    for named in record.measurements:
        sys.stdout.write(f"  {named.form}: 0x{named.digest.hex()}\n")


def _read_rendered(folder: Path) -> dict[str, bytes]:
    """All files below the folder by name; none may break a rule of templates."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if not files:
        raise RecordRefused(f"{folder} holds no files")
    for name, data in files.items():
        if name != APP_COMPOSE:
            check_text(name, data.decode("utf-8", "replace"))
    compose = files.get("dstack/docker-compose.yaml", b"").decode("utf-8", "replace")
    if files.get(APP_COMPOSE) != make_app_compose(compose):
        raise RecordRefused(f"{APP_COMPOSE} does not fit its compose file")
    return files


def _read_measurement(path: Path) -> NamedMeasurement:
    try:
        return NamedMeasurement.from_plain(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise RecordRefused(f"{path} is no JSON: {error}") from error


def _read_commit(source: Path) -> bytes:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(source), *words], capture_output=True, check=True, text=True).stdout

    if git("status", "--porcelain").strip():
        raise RecordRefused(f"{source} has changes that no commit holds")
    return bytes.fromhex(git("rev-parse", "HEAD").strip())


if __name__ == "__main__":
    sys.exit(main())
