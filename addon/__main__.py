"""The console script `nearfetch`: mitmdump with the addon loaded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from mitmproxy.tools.main import mitmdump

DEFAULTS = {
    "listen_host": "127.0.0.1",
    "stream_large_bodies": "1m",
}
"""mitmproxy options that suit a proxy for downloads better than mitmproxy's own defaults do."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the proxy until it is told to stop."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    script = Path(__file__).with_name("script.py")
    mitmdump(["-s", str(script), *_defaults(given), *given])


def _defaults(given: Sequence[str]) -> list[str]:
    """Our defaults for what the user did not say: mitmproxy refuses an option that is set twice."""
    said = " ".join(given).replace("-", "_")
    return [word for name, value in DEFAULTS.items() if name not in said for word in ("--set", f"{name}={value}")]


if __name__ == "__main__":
    main()
