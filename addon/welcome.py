"""What a person is told when the proxy has started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def lines(addresses: Sequence[tuple[str, int]], folders: Sequence[Path], min_size: str) -> list[str]:
    """Where the proxy is, how to make it trusted, what is indexed, and how to change that."""
    if not addresses:
        return []
    here = ", ".join(dict.fromkeys(f"http://{_host(host)}:{port}" for host, port in addresses))
    said = [
        f"set {here} as the HTTP and HTTPS proxy of your browser, or of a program: curl --proxy ...",
        "for https, its certificate must be trusted: open http://mitm.it through the proxy, once.",
    ]
    if folders:
        names = ", ".join(map(str, folders))
        said.append(f"files of at least {min_size} in {names} are found again by their digest.")
    else:
        said.append("no folder is indexed.")
    return [*said, "other folders: --set nearfetch_scan_paths=FOLDER, once for each."]


def _host(host: str) -> str:
    if host in ("", "0.0.0.0", "::"):  # noqa: S104 - it is not listened on, but read
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
