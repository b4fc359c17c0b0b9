"""How far a scan or a verification is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """One moment of the work."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int
    path: str
    """The file that was read last."""


type OnProgress = Callable[[Progress], None]
"""Told after each piece that was read and each file that is done, from the thread that read it; must be quick."""


def unheard(_: Progress) -> None:
    """For whoever wants to hear nothing."""


class Tally:
    """Adds up what several threads report."""

    def __init__(self, files_total: int, bytes_total: int, on_progress: OnProgress) -> None:
        self._files_total = files_total
        self._bytes_total = bytes_total
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._files_done = 0
        self._bytes_done = 0

    def start(self, path: str, size: int) -> FileTally:
        """Begin a file of `size` bytes."""
        return FileTally(self, path, size)

    def add(self, path: str, size: int, files: int) -> None:
        """Count `size` more bytes and `files` more files."""
        with self._lock:
            self._bytes_done += size
            self._files_done += files
            moment = Progress(self._bytes_done, self._bytes_total, self._files_done, self._files_total, path)
        self._on_progress(moment)


class FileTally:
    """The share of one file, which comes to its size in the end however much of it was read."""

    def __init__(self, tally: Tally, path: str, size: int) -> None:
        self._tally = tally
        self._path = path
        self._left = size

    def read(self, size: int) -> None:
        """`size` more bytes were read."""
        counted = min(size, self._left)
        self._left -= counted
        self._tally.add(self._path, counted, 0)

    def end(self) -> None:
        """Nothing more will be read."""
        self._tally.add(self._path, self._left, 1)
        self._left = 0
