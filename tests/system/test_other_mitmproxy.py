"""A mitmproxy that lacks what Nearfetch relies on: it says so and stays a plain proxy."""

from pathlib import Path

import pytest

from tests.origin import Origin
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.conftest import MIB, ProxyFactory, claim, index_file, random_content

FILE = random_content(8 * MIB, seed=95)
MISSING = {
    "class": ("mitmproxy.proxy.layers.http._http_h2", "BufferedH2Connection"),
    "hook": ("mitmproxy.proxy.layers.http._hooks", "HttpErrorHook"),
    "handler": ("mitmproxy.proxy.layers.http._http2", "Http2Server"),
}
"""What mitmproxy itself can do without, once it has started."""


def script_without(module: str, name: str) -> str:
    """For mitmproxy to load, which looks for the names only after that."""
    owner, _, last = name.rpartition(".")
    lines = [
        f"import {module} as module",
        f"owner = {f'module.{owner}' if owner else 'module'}",
        f"delattr(owner, {last!r})",
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(("module", "name"), MISSING.values(), ids=MISSING)
def test_missing_name_is_told_and_downloads_go_on(
    origin: Origin, proxy_factory: ProxyFactory, tmp_path: Path, module: str, name: str
) -> None:
    clients.require("curl")
    script = tmp_path / "without.py"
    script.write_text(script_without(module, name))
    proxy = proxy_factory(min_size="1m", arguments=["-s", str(script)])
    (tmp_path / "copy.bin").write_bytes(FILE)
    index_file(proxy.data_dir, tmp_path / "copy.bin")
    proxy.wait_for_log(rf"Nearfetch does nothing: this mitmproxy lacks {module}.{name}")
    schemes: list[Scheme] = ["http", "https", "h2"]
    for scheme in schemes:
        origin.reset_counts()
        origin.add("/file", FILE, headers=claim(FILE))
        result = clients.curl(origin.url("/file", scheme), tmp_path / "out", proxy=proxy, http2=scheme == "h2")
        assert (result.exit_code, result.path.read_bytes() == FILE) == (0, True)
        assert (result.header("Cache-Status"), origin.body_bytes) == (None, len(FILE))
