from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.utils import human

from hashdb.sizes import LARGEST_SIZE, UNITS, InvalidSizeError, format_size, parse_size


@given(st.integers(0, 1 << 20), st.sampled_from(["", *UNITS]))
def test_reads_sizes_as_mitmproxy_does(number: int, unit: str) -> None:
    text = f"{number}{unit}"
    assert parse_size(text) == human.parse_size(text)


@pytest.mark.parametrize("text", ["", "m", "10M", "1.5g", "-1", "10 m", "1e3", "ten", "10mb", "\u0661\u0660m", "1_000"])
def test_says_how_a_size_looks(text: str) -> None:
    with pytest.raises(InvalidSizeError, match="10m, 64k, 1g"):
        parse_size(text)


@pytest.mark.parametrize("text", [str(LARGEST_SIZE + 1), "9" * 5000, "8388608t"])
def test_refuses_what_no_file_reaches(text: str) -> None:
    with pytest.raises(InvalidSizeError, match="larger than any file"):
        parse_size(text)


@given(st.text())
def test_never_fails_otherwise(text: str) -> None:
    with suppress(InvalidSizeError):
        assert 0 <= parse_size(text) <= LARGEST_SIZE


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 20, "10.0 MiB"), (1 << 50, "1024.0 TiB")]
)
def test_writes_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text
