"""What each command of nearfetch-hashdb does, between the command line and the store."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import IntEnum
from pathlib import Path

from hashdb import report
from hashdb.interrupt import stop_on_signals
from hashdb.paths import default_data_dir, default_scan_paths, printable
from hashdb.scan import scan
from hashdb.sizes import format_size
from hashdb.store import HashStore
from hashdb.verify import verify

BACKGROUND_NICENESS = 10


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    NOT_FOUND = 1
    """Nothing found, or bad files found."""
    USAGE = 2
    DATABASE = 3
    INTERRUPTED = 130


def run_scan(arguments: Namespace) -> ExitCode:
    """`scan [FOLDER…]`"""
    if arguments.background:
        os.nice(BACKGROUND_NICENESS)
    data_dir = _data_dir(arguments)
    with (
        stop_on_signals() as stop,
        HashStore.open(data_dir) as store,
        report.shown_progress(quiet=arguments.json) as on_progress,
    ):
        outcome = scan(
            store,
            arguments.folders or default_scan_paths(),
            min_size=arguments.min_size,
            jobs=arguments.jobs,
            excluded=[data_dir],
            on_progress=on_progress,
            stop=stop,
        )
    if arguments.json:
        report.say_json(report.scan_as_json(outcome))
    else:
        for line in report.scan_as_lines(outcome):
            report.say(line)
    return ExitCode.INTERRUPTED if outcome.interrupted else ExitCode.DONE


def run_lookup(arguments: Namespace) -> ExitCode:
    """`lookup DIGEST`"""
    with HashStore.open(_data_dir(arguments), create=False) as store:
        found = store.find([arguments.digest])
    if arguments.json:
        report.say_json(
            {
                "digest": str(arguments.digest),
                "files": [{"path": known.path, "length": known.sums.length} for known in found],
            }
        )
    else:
        for known in found:
            report.say(printable(known.path))
    return ExitCode.DONE if found else ExitCode.NOT_FOUND


def run_verify(arguments: Namespace) -> ExitCode:
    """`verify`"""
    with (
        stop_on_signals() as stop,
        HashStore.open(_data_dir(arguments), create=False) as store,
        report.shown_progress(quiet=arguments.json) as on_progress,
    ):
        verification = verify(store, on_progress=on_progress, stop=stop)
    if arguments.json:
        report.say_json(report.verification_as_json(verification))
    else:
        for line in report.verification_as_lines(verification):
            report.say(line)
    if verification.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.NOT_FOUND if verification.bad else ExitCode.DONE


def run_stats(arguments: Namespace) -> ExitCode:
    """`stats`"""
    with HashStore.open(_data_dir(arguments), create=False) as store:
        statistics = store.statistics()
        file = store.file
    if arguments.json:
        report.say_json({"database": str(file), **asdict(statistics)})
    else:
        report.say(f"{printable(str(file))}: {format_size(file.stat().st_size)}")
        report.say(f"{statistics.files} files, {format_size(statistics.file_bytes)}")
        report.say(f"{statistics.contents} different contents, {format_size(statistics.content_bytes)}")
    return ExitCode.DONE


def run_forget(arguments: Namespace) -> ExitCode:
    """`forget FOLDER…`"""
    with HashStore.open(_data_dir(arguments), create=False) as store:
        inside = [row.file_id for row in store.known_rows() if _is_inside(row.path, arguments.folders)]
        store.apply([], inside)
    if arguments.json:
        report.say_json({"forgotten": len(inside)})
    else:
        report.say(f"{len(inside)} files forgotten; the files themselves are untouched")
    return ExitCode.DONE if inside else ExitCode.NOT_FOUND


def _is_inside(path: str, folders: Sequence[Path]) -> bool:
    """Whether a recorded path is one of these, or lies below one. Scans record real paths."""
    return any(Path(path).is_relative_to(folder.resolve()) for folder in folders)


def _data_dir(arguments: Namespace) -> Path:
    return arguments.data_dir or default_data_dir()


type Command = Callable[[Namespace], ExitCode]
