"""Where the hash database lies and which folders are scanned unless the user says otherwise."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import platformdirs

APPLICATION = "nearfetch"


def default_data_dir() -> Path:
    """The platform's folder for a user's data; shared by nearfetch and nearfetch-hashdb."""
    return platformdirs.user_data_path(APPLICATION, appauthor=False)


def default_scan_paths() -> list[Path]:
    """The user's download folder, which need not exist."""
    return [platformdirs.user_downloads_path()]


def printable(path: str) -> str:
    """`path` with all that could upset a terminal or break a line written as an escape.

    A file's name may hold newlines and escape sequences, and comes from whoever made the file.
    """
    if path.isprintable():
        return path
    return "".join(map(_escaped, path))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Cs":
        # How Python carries a byte of a name that is no UTF-8.
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode("ascii")
