"""Other addons beside ours, which have wishes of their own for the same responses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.origin import Origin
from tests.system.clients import curl
from tests.system.conftest import MIB, claim, index_file, random_content, wait_until
from tests.system.processes import REPOSITORY, Proxy

SLOW = """
import asyncio
async def responseheaders(flow):
    await asyncio.sleep(0.2)
"""
OTHERS = {
    "replaces": ("from mitmproxy import http\ndef responseheaders(flow):\n  flow.response = http.Response.make(403)\n"),
    "keeps": "def responseheaders(flow):\n  flow.response.stream = False\n",
    "transforms": "def responseheaders(flow):\n  flow.response.stream = lambda data: data\n",
    "kills": "def responseheaders(flow):\n  flow.kill()\n",
}
OUTCOMES = {"replaces": (0, 403), "keeps": (0, 200), "transforms": (0, 200), "kills": (52, None)}


@pytest.fixture
def content() -> bytes:
    return random_content(8 * MIB, 21)


@pytest.mark.parametrize("other", OTHERS)
def test_the_last_word_is_the_other_addons(
    tmp_path: Path, origin: Origin, downloads: Path, content: bytes, other: str
) -> None:
    script, held = tmp_path / "other.py", tmp_path / "held.bin"
    script.write_text(OTHERS[other])
    held.write_bytes(content)
    origin.add("/f", content, headers=claim(content))
    with Proxy(tmp_path / "proxy", origin_ca=origin.ca_file, arguments=["-s", str(script)], min_size="1m") as proxy:
        index_file(proxy.data_dir, held)
        curl(origin.url("/missing"), downloads / "warm-up", proxy=proxy)
        before = proxy.open_files()
        for _ in range(5):
            result = curl(origin.url("/f"), downloads / "f", proxy=proxy, extra=["-m", "10"])
            assert (result.exit_code, result.status) == OUTCOMES[other]
        if OUTCOMES[other] == (0, 200):
            assert result.path.read_bytes() == content
        wait_until(lambda: proxy.open_files() <= before, "nothing is left open")


def test_hooks_that_wait_before_and_after_ours_change_no_order(
    tmp_path: Path, origin: Origin, downloads: Path, content: bytes
) -> None:
    unlike = bytes(64 * 1024) + content[64 * 1024 :]
    before, after, held = tmp_path / "before.py", tmp_path / "after.py", tmp_path / "held.bin"
    before.write_text(SLOW)
    after.write_text(SLOW)
    held.write_bytes(unlike)
    origin.rate = 20e6
    origin.add("/f", content, headers=claim(unlike))
    scripts = [str(before), str(REPOSITORY / "addon" / "script.py"), str(after)]
    arguments = [word for script in scripts for word in ("-s", script)]
    stock = (sys.executable, "-c", "from mitmproxy.tools.main import mitmdump; mitmdump()")
    with Proxy(
        tmp_path / "proxy", origin_ca=origin.ca_file, command=stock, arguments=arguments, min_size="1m"
    ) as proxy:
        index_file(proxy.data_dir, held)
        result = curl(origin.url("/f"), downloads / "f", proxy=proxy)
        proxy.wait_for_log("not proven, the first bytes")
    assert (result.exit_code, result.path.read_bytes() == content) == (0, True)
