"""The command line: `python3 -m vbranch_verify BUNDLE --key PUB [--json]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import unicodedata
from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .checks import verify
from .report import Report

DONE, FAILED, USAGE = 0, 1, 2
# A public key is 113 bytes.
MAX_KEY = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 1 failed, 2 wrong usage."""
    # Names of files need not be text.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    options = _parser().parse_args(arguments)
    if options.batch:
        return _batch()
    if options.bundle is None or options.key is None:
        return _complain(USAGE, "a bundle and --key are needed")
    if not os.path.isdir(options.bundle):
        return _complain(USAGE, f"{options.bundle} is not a folder")
    try:
        key = _read_key(options.key)
    except (OSError, ValueError) as error:
        return _complain(USAGE, f"public key {options.key}: {error}")
    report = verify(options.bundle, key)
    if options.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        _print(report)
    if report.ok:
        return DONE
    return _complain(FAILED, f"the bundle does not verify: {report.first_failure}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vbranch_verify", description="Check an evidence bundle, offline."
    )
    parser.add_argument("bundle", nargs="?", help="the bundle's folder")
    parser.add_argument(
        "--key", metavar="PUB", help="the branch's public evidence key, not the bundle's copy"
    )
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument(
        "--batch",
        action="store_true",
        help="read lines KEY<tab>BUNDLE from standard input, answer each with a line of JSON",
    )
    return parser


def _batch() -> int:
    """Checks many bundles in one process; whether they pass is in the answers."""
    for line in sys.stdin:
        path, _, bundle = line.rstrip("\n").partition("\t")
        try:
            answer = verify(bundle, _read_key(path)).as_json()
        except (OSError, ValueError) as error:
            return _complain(USAGE, f"{line!r}: {error}")
        print(json.dumps(answer), flush=True)
    return DONE


def _read_key(path: str) -> Ed25519PublicKey:
    with open(path, "rb") as file:
        pem = file.read(MAX_KEY)
    try:
        key = load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("is not an Ed25519 key")
    return key


def _print(report: Report) -> None:
    for check in report.checks:
        print(_printable(check.as_line()))
    if report.ok:
        print("the bundle verifies")


def _complain(code: int, message: str) -> int:
    print(f"vbranch_verify: {_printable(message)}", file=sys.stderr)
    return code


def _printable(text: str) -> str:
    """Text that cannot steer a terminal: names and messages may come out of a hostile bundle."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)


if __name__ == "__main__":
    sys.exit(main())
