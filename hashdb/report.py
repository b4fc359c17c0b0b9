"""What nearfetch-hashdb prints: progress on stderr, results on stdout, as text or as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from hashdb.paths import printable
from hashdb.progress import OnProgress, Progress, unheard
from hashdb.scan import Outcome
from hashdb.sizes import format_size
from hashdb.verify import Condition, Verification
from hashdb.walk import Skip

PROGRAM = "nearfetch-hashdb"

LINE_SECONDS = 5.0
"""Between two lines of progress where there is no terminal."""

BAR_SECONDS = 0.1
"""Between two updates of the progress bar."""

_SKIPPED = {
    Skip.SYMLINK: "symbolic links",
    Skip.SPECIAL: "sockets, pipes and devices",
    Skip.UNREADABLE: "unreadable",
    Skip.NOT_UTF8: "names that are not UTF-8",
    Skip.OTHER_FILE_SYSTEM: "folders on other file systems",
    Skip.VANISHED: "gone before they were read",
    Skip.MISSING_FOLDER: "folders that do not exist; what is known of their files is kept",
    Skip.NOT_A_FOLDER: "not a folder",
    Skip.EXCLUDED: "Nearfetch's own folders",
}


def say(line: str) -> None:
    """One line of result."""
    sys.stdout.write(f"{line}\n")


def say_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line."""
    say(json.dumps(value))


def complain(line: str) -> None:
    """One line about something that is wrong, or under way."""
    sys.stderr.write(f"{PROGRAM}: {line}\n")


def scan_as_json(outcome: Outcome) -> dict[str, object]:
    """The outcome of a scan: counts, bytes, seconds, and the skipped by reason."""
    return {
        "hashed": outcome.hashed,
        "unchanged": outcome.unchanged,
        "moved": outcome.moved,
        "vanished": outcome.vanished,
        "skipped": {reason.value: count for reason, count in sorted(outcome.skipped.counts.items())},
        "changed_while_read": outcome.changed_while_read,
        "failed": outcome.failed,
        "bytes": outcome.size,
        "seconds": round(outcome.seconds, 3),
        "interrupted": outcome.interrupted,
    }


def scan_as_lines(outcome: Outcome) -> Iterator[str]:
    """The outcome of a scan for people."""
    if outcome.interrupted:
        yield "Interrupted; everything that was hashed is kept."
    yield (
        f"{outcome.hashed} hashed ({format_size(outcome.size)}), {outcome.unchanged} unchanged, "
        f"{outcome.moved} moved, {outcome.vanished} vanished, in {outcome.seconds:.1f} s."
    )
    for reason, count in sorted(outcome.skipped.counts.items()):
        examples = ", ".join(map(printable, outcome.skipped.examples[reason]))
        more = ", …" if count > len(outcome.skipped.examples[reason]) else ""
        yield f"Skipped, {_SKIPPED[reason]}: {count} ({examples}{more})"
    for path, why in outcome.complaints:
        yield f"Not recorded: {printable(path)}: {why}"
    unnamed = outcome.failed + outcome.changed_while_read - len(outcome.complaints)
    if unnamed:
        yield f"Not recorded: {unnamed} more"


def verification_as_json(verification: Verification) -> dict[str, object]:
    """The outcome of a verification: counts by condition, and every bad file."""
    return {
        **{condition.value: verification.count(condition) for condition in Condition},
        "bad": [
            {"path": finding.row.path, "condition": finding.condition.value, "detail": finding.detail}
            for finding in verification.bad
        ],
        "bytes": verification.size,
        "seconds": round(verification.seconds, 3),
        "interrupted": verification.interrupted,
    }


def verification_as_lines(verification: Verification) -> Iterator[str]:
    """The outcome of a verification for people."""
    for finding in verification.bad:
        yield f"{finding.condition}: {printable(finding.row.path)}: {finding.detail}"
    if verification.interrupted:
        yield "Interrupted; the remaining files were not read."
    counts = ", ".join(f"{verification.count(condition)} {condition}" for condition in Condition)
    yield f"{counts}; {format_size(verification.size)} read in {verification.seconds:.1f} s."


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator[OnProgress]:
    """A listener that draws a bar on a terminal and prints a line now and then elsewhere."""
    if quiet:
        yield unheard
    elif sys.stderr.isatty():
        with _bar() as listener:
            yield _at_most_every(BAR_SECONDS, listener)
    else:
        yield _at_most_every(LINE_SECONDS, lambda moment: complain(_line(moment)), at_once=False)


def _line(moment: Progress) -> str:
    done, total = format_size(moment.bytes_done), format_size(moment.bytes_total)
    return f"{done} of {total}, {moment.files_done} of {moment.files_total} files"


def _at_most_every(seconds: float, listener: OnProgress, *, at_once: bool = True) -> OnProgress:
    lock = threading.Lock()
    due = time.monotonic() + (0.0 if at_once else seconds)

    def listen(moment: Progress) -> None:
        nonlocal due
        with lock:
            finished = moment.files_done == moment.files_total
            if time.monotonic() < due and not (finished and at_once):
                return
            due = time.monotonic() + seconds
            listener(moment)

    return listen


@contextmanager
def _bar() -> Iterator[OnProgress]:
    # rich takes longer to import than a scan of unchanged files takes, and only terminals need it.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (
        TextColumn("{task.fields[files]}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, files="looking")

        def listen(moment: Progress) -> None:
            bar.update(
                task,
                description=printable(moment.path.rpartition("/")[2]),
                completed=moment.bytes_done,
                total=moment.bytes_total,
                files=f"{moment.files_done}/{moment.files_total}",
            )

        yield listen
