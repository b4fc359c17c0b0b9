"""Sizes as people write them, in mitmproxy's notation: `10m`, `64k`, `1g`, or plain bytes."""

from __future__ import annotations

UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
"""Suffixes, lower case as mitmproxy has them, and the bytes that each stands for."""

LARGEST_SIZE = (1 << 63) - 1
"""Bytes. No file is larger, and the database could not hold the number."""


class InvalidSizeError(ValueError):
    """A text that is no size; the message says how one looks."""


def parse_size(text: str) -> int:
    """Bytes that `text` stands for: a whole number with one of the suffixes b, k, m, g, t (of 1024), or none.

    Raises InvalidSizeError.
    """
    digits, unit = (text[:-1], UNITS[text[-1]]) if text and text[-1] in UNITS else (text, 1)
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidSizeError(f"{text!r} is no size: write it like 10m, 64k, 1g, or as a number of bytes")
    # Twenty digits are beyond any size, and int() itself refuses a text of thousands.
    size = int(digits) * unit if len(digits) < 20 else LARGEST_SIZE + 1
    if size > LARGEST_SIZE:
        raise InvalidSizeError(f"{text!r} is larger than any file can be")
    return size


def format_size(size: int) -> str:
    """`size` bytes for people, with at most one decimal: `64 B`, `1.5 KiB`, `20.0 GiB`."""
    if size < 1024:
        return f"{size} B"
    amount = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= 1024
        if amount < 1024:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TiB"
