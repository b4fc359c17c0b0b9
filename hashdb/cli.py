"""The command line of nearfetch-hashdb."""

from __future__ import annotations

import io
import os
import sys
from argparse import Action, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hashdb import commands
from hashdb.commands import Command, ExitCode
from hashdb.digest import Algorithm, Digest, InvalidDigestError
from hashdb.errors import StoreError
from hashdb.report import PROGRAM, complain
from hashdb.sizes import InvalidSizeError, parse_size

MAX_JOBS = 1024

EXIT_CODES = """\
exit codes:
  0    done
  1    nothing found (lookup, forget), or bad files found (verify)
  2    wrong usage or bad input
  3    the database cannot be used
  130  interrupted; what was done is kept
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command with the arguments `argv`, those of the process unless given; its exit code."""
    _never_fail_to_print()
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        code = command(arguments)
        sys.stdout.flush()
    except StoreError as error:
        complain(str(error))
        code = ExitCode.DATABASE
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; the interpreter must not flush into the pipe once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.DONE
    return int(code)


def _never_fail_to_print() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        PROGRAM,
        description="Keep the digests of files on this disk.",
        epilog=EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    parser.add_argument(
        "--data-dir", type=Path, metavar="D", help="folder of the database (the platform's unless given)"
    )
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_scan(subparsers)
    lookup = _add(subparsers, "lookup", commands.run_lookup, "print the files with a digest")
    lookup.add_argument("digest", type=_digest, metavar="DIGEST", help="sha1:HEX, sha256:HEX, or the HEX alone")
    _add(subparsers, "verify", commands.run_verify, "read all files again; drop the records that do not hold")
    forget = _add(subparsers, "forget", commands.run_forget, "drop the records of folders that shall not be used")
    forget.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="folders, or single files")
    _add(subparsers, "stats", commands.run_stats, "say what the database holds")
    return parser


def _add_scan(subparsers: Any) -> None:
    scan = _add(subparsers, "scan", commands.run_scan, "hash the new and changed files of folders")
    scan.add_argument(
        "folders", type=Path, nargs="*", metavar="FOLDER", help="folders to scan (your download folder unless given)"
    )
    scan.add_argument(
        "--min-size", type=_size, default="10m", metavar="SIZE", help="ignore smaller files: 10m, 64k, … (10m)"
    )
    scan.add_argument("--jobs", type=_jobs, metavar="N", help="how many threads hash (one for each core)")
    scan.add_argument("--background", action="store_true", help="leave the processor to others")


def _add(subparsers: Any, name: str, command: Command, summary: str) -> ArgumentParser:
    parser: ArgumentParser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.set_defaults(command=command)
    return parser


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except InvalidSizeError as error:
        raise ArgumentTypeError(str(error)) from None


def _digest(text: str) -> Digest:
    try:
        digest = Digest.parse(text)
    except InvalidDigestError as error:
        raise ArgumentTypeError(str(error)) from None
    if digest.algorithm not in (Algorithm.SHA1, Algorithm.SHA256):
        raise ArgumentTypeError(f"files are kept by SHA-1 and SHA-256 only, not by {digest.algorithm}")
    return digest


def _jobs(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_JOBS):
        raise ArgumentTypeError(f"{text!r} is no number of threads: give 1 to {MAX_JOBS}")
    return int(text)


class _Version(Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: ArgumentParser, *_: object) -> NoReturn:
        # Reading the version takes time that no other command should spend.
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            found = version("nearfetch")
        except PackageNotFoundError:
            found = "(not installed)"
        sys.stdout.write(f"{PROGRAM} {found}\n")
        parser.exit()
