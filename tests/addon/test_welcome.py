"""What a person is told when the proxy has started."""

from __future__ import annotations

from pathlib import Path

import pytest

from addon import welcome

ANY = "0.0.0.0"  # noqa: S104 - nothing listens here


def said(*addresses: tuple[str, int], folders: tuple[Path, ...] = ()) -> str:
    return "\n".join(welcome.lines(addresses, folders, "10m"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("127.0.0.1", 8080), "http://127.0.0.1:8080 "),
        (("", 8080), "http://127.0.0.1:8080 "),
        ((ANY, 8081), "http://127.0.0.1:8081 "),
        (("::", 8080), "http://127.0.0.1:8080 "),
        (("::1", 8080), "http://[::1]:8080 "),
        (("fe80::1", 1), "http://[fe80::1]:1 "),
        (("192.168.1.2", 8080), "http://192.168.1.2:8080 "),
    ],
)
def test_where_the_proxy_is(address: tuple[str, int], expected: str) -> None:
    assert f"set {expected}as the HTTP and HTTPS proxy" in said(address)


def test_several_addresses() -> None:
    assert "http://127.0.0.1:8080, http://[::1]:8080 as" in said(("127.0.0.1", 8080), ("::1", 8080))


def test_the_same_address_is_said_once() -> None:
    assert said((ANY, 8080), ("::", 8080)).count("http://127.0.0.1:8080") == 1


def test_the_certificate_and_how_to_change_folders() -> None:
    text = said(("127.0.0.1", 8080))
    assert "http://mitm.it" in text
    assert "--set nearfetch_scan_paths=" in text


def test_what_is_indexed() -> None:
    folders = (Path("/home/a/Downloads"), Path("/isos"))
    text = said(("127.0.0.1", 8080), folders=folders)
    assert "at least 10m in /home/a/Downloads, /isos are found again" in text
    assert "no folder is indexed" in said(("127.0.0.1", 8080))


def test_a_proxy_that_listens_nowhere_says_nothing() -> None:
    assert said(folders=(Path("/a"),)) == ""
