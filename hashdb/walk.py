"""Walk folders for regular files. Whatever else lies there is counted, never opened, and never fatal."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath

MAX_EXAMPLES = 3
"""Paths kept for each reason, to be shown."""


class Skip(StrEnum):
    """Why something was not looked at. The value names it in JSON."""

    SYMLINK = "symlink"
    SPECIAL = "special"
    UNREADABLE = "unreadable"
    NOT_UTF8 = "not_utf8"
    OTHER_FILE_SYSTEM = "other_file_system"
    VANISHED = "vanished"
    MISSING_FOLDER = "missing_folder"
    NOT_A_FOLDER = "not_a_folder"
    EXCLUDED = "excluded"


_GONE = frozenset({Skip.SYMLINK, Skip.SPECIAL, Skip.VANISHED, Skip.MISSING_FOLDER})
"""Where one of these is, no regular file of that path is."""


@dataclass(slots=True)
class Skips:
    """How many were skipped for which reason, and the first few of each."""

    counts: Counter[Skip] = field(default_factory=Counter)
    examples: dict[Skip, list[str]] = field(default_factory=dict)

    def add(self, reason: Skip, path: str) -> None:
        """Count one."""
        self.counts[reason] += 1
        if self.counts[reason] <= MAX_EXAMPLES:
            self.examples.setdefault(reason, []).append(path)


@dataclass(slots=True)
class Survey:
    """What a walk found."""

    files: dict[str, os.stat_result] = field(default_factory=dict)
    """By absolute path without symbolic links: the regular files of at least the smallest size asked for."""
    listed: set[str] = field(default_factory=set)
    """Folders whose every entry was seen: a file of theirs that is not in `files` is gone or too small."""
    unseen: set[str] = field(default_factory=set)
    """Folders and files of which nothing can be said: unreadable, excluded, on another file system."""
    skipped: Skips = field(default_factory=Skips)
    complete: bool = True
    """False where the walk was stopped."""

    def speaks_of(self, path: str) -> bool:
        """Whether `path` would be in `files` if it were there: its nearest known folder was listed."""
        if path in self.unseen:
            return False
        for parent in map(str, PurePath(path).parents):
            if parent in self.listed:
                return True
            if parent in self.unseen:
                return False
        return False


def survey(
    roots: Iterable[Path],
    *,
    min_size: int,
    excluded: Iterable[Path] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Survey:
    """Walk `roots`, each once however they overlap, without following symbolic links or leaving file systems.

    `min_size` is in bytes. A root may itself be a symbolic link. Nothing below `excluded` is looked at.
    """
    return _Walk(min_size, excluded, stopped).run(roots)


type _Identity = tuple[int, int]


class _Walk:
    def __init__(self, min_size: int, excluded: Iterable[Path], stopped: Callable[[], bool]) -> None:
        self._min_size = min_size
        self._excluded = [os.path.realpath(folder) for folder in excluded]
        self._stopped = stopped
        self._visited: set[_Identity] = set()
        self._found = Survey()
        self._device = 0

    def run(self, roots: Iterable[Path]) -> Survey:
        resolved = {path for root in roots if (path := self._resolved(root)) is not None}
        # The innermost first: a root inside another may lie on another file system, and is walked all the same.
        for root in sorted(resolved, key=lambda path: (-path.count(os.sep), path)):
            self._walk(root)
        return self._found

    def _resolved(self, root: Path) -> str | None:
        path, reason = _resolve(root)
        if reason is None and self._is_excluded(path):
            reason = Skip.EXCLUDED
        if reason is None:
            return path
        self._skip(reason, path)
        return None

    def _is_excluded(self, path: str) -> bool:
        return any(path == folder or path.startswith(folder + os.sep) for folder in self._excluded)

    def _skip(self, reason: Skip, path: str) -> None:
        self._found.skipped.add(reason, path)
        if reason not in _GONE:
            self._found.unseen.add(path)

    def _walk(self, root: str) -> None:
        status = os.stat(root)
        self._device = status.st_dev
        pending = [root] if self._is_new(status) else []
        while pending:
            if self._stopped():
                self._found.complete = False
                return
            self._list(pending.pop(), pending)

    def _is_new(self, status: os.stat_result) -> bool:
        identity = (status.st_dev, status.st_ino)
        if identity in self._visited:
            return False
        self._visited.add(identity)
        return True

    def _list(self, folder: str, pending: list[str]) -> None:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._enter(entry, pending)
        except FileNotFoundError:
            self._skip(Skip.VANISHED, folder)
        except OSError:
            self._skip(Skip.UNREADABLE, folder)
        else:
            self._found.listed.add(folder)

    def _enter(self, entry: os.DirEntry[str], pending: list[str]) -> None:
        try:
            if entry.is_file(follow_symlinks=False):
                self._take(entry)
            elif entry.is_dir(follow_symlinks=False):
                self._descend(entry, pending)
            else:
                self._skip(Skip.SYMLINK if entry.is_symlink() else Skip.SPECIAL, entry.path)
        except FileNotFoundError:
            self._skip(Skip.VANISHED, entry.path)
        except OSError:
            self._skip(Skip.UNREADABLE, entry.path)

    def _take(self, entry: os.DirEntry[str]) -> None:
        status = entry.stat(follow_symlinks=False)
        if status.st_size < self._min_size or not stat.S_ISREG(status.st_mode):
            return
        if _is_utf8(entry.name):
            self._found.files[entry.path] = status
        else:
            self._skip(Skip.NOT_UTF8, entry.path)

    def _descend(self, entry: os.DirEntry[str], pending: list[str]) -> None:
        status = entry.stat(follow_symlinks=False)
        if not _is_utf8(entry.name):
            self._skip(Skip.NOT_UTF8, entry.path)
        elif entry.path in self._excluded:
            self._skip(Skip.EXCLUDED, entry.path)
        elif not self._is_new(status):
            return
        elif status.st_dev != self._device:
            self._skip(Skip.OTHER_FILE_SYSTEM, entry.path)
        else:
            pending.append(entry.path)


def _resolve(root: Path) -> tuple[str, Skip | None]:
    """The folder that `root` names, or `root` itself and why it cannot be walked."""
    given = str(root.absolute())
    try:
        path = os.path.realpath(root, strict=True)
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return given, Skip.MISSING_FOLDER
    except OSError:
        return given, Skip.UNREADABLE
    if not is_folder:
        return given, Skip.NOT_A_FOLDER
    return (path, None) if _is_utf8(path) else (given, Skip.NOT_UTF8)


def _is_utf8(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
