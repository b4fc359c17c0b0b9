"""Scans of the user's folders, in a process of their own: hashing must not take the proxy's time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger(__name__)


class Scanner:
    """At most one scan at a time."""

    def __init__(self) -> None:
        self._command: list[str] = []
        self._folders: Sequence[Path] = ()
        self._task: asyncio.Task[None] | None = None
        self.last = "none yet"
        """What became of the last scan, in words."""

    def set(self, data_dir: Path, folders: Sequence[Path], min_size: int) -> None:
        """What scans that start from now on are about. `min_size` in bytes."""
        self._folders = folders
        self._command = [
            *(sys.executable, "-m", "hashdb", "--data-dir", str(data_dir)),
            *("scan", "--background", "--json", "--min-size", str(min_size)),
            *(str(folder) for folder in folders),
        ]

    @property
    def running(self) -> bool:
        """Whether a scan is under way."""
        return self._task is not None and not self._task.done()

    def start(self) -> bool:
        """Begin a scan; False where one is under way or there is nothing to scan."""
        if self.running or not self._folders:
            return False
        self._task = asyncio.create_task(self._scan())
        return True

    def stop(self) -> None:
        """End a scan that is under way; what it has hashed is kept."""
        if self._task is not None:
            self._task.cancel()

    async def _scan(self) -> None:
        logger.info("Nearfetch: indexing %s ...", ", ".join(map(str, self._folders)))
        try:
            code, out, err = await _run(self._command)
        except OSError as error:
            self.last = f"the scan could not be started: {error.strerror}"
            logger.warning("Nearfetch: %s", self.last)
            return
        self.last = _in_words(code, out, err)
        logger.log(logging.WARNING if code else logging.INFO, "Nearfetch: %s", self.last)


async def _run(command: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, output and complaints. It prints a few lines; where it is cancelled, so is the program."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    return process.returncode or 0, out.decode(errors="replace"), err.decode(errors="replace")


def _in_words(code: int, out: str, err: str) -> str:
    """The outcome of `nearfetch-hashdb scan --json`: its last line on success, its complaint otherwise."""
    try:
        outcome = json.loads(out.strip().rpartition("\n")[2])
        counts = [f"{outcome[name]} {name}" for name in ("hashed", "unchanged", "moved", "vanished")]
        counts += [f"{count} {name.replace('_', ' ')}" for name, count in outcome["skipped"].items() if count]
        return f"indexed in {outcome['seconds']:.1f} s: {', '.join(counts)}"
    except (ValueError, KeyError, TypeError, AttributeError):
        complaint = err.strip().rpartition("\n")[2] or "it said nothing"
        return f"the scan failed (exit code {code}): {complaint}"
