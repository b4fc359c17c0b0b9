"""What a download costs the proxy: Nearfetch serving from disk beside stock mitmdump streaming, in the same run.

MB per CPU second of the proxy process alone; the origin is held to 50 MB/s.
`python -m bench.delivery [--size 512m] [--rounds 3]`
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from hashdb.digest import ContentHasher, ContentSums
from hashdb.fingerprint import Fingerprint
from hashdb.sizes import parse_size
from hashdb.store import HashStore
from tests.origin import Origin
from tests.origin.server import Scheme
from tests.system.clients import curl
from tests.system.processes import MITMDUMP, Proxy, set_arguments

MB = 1e6
ORIGIN_RATE = 50 * MB
"""Bytes per second: a good line. An origin without limit flatters a streaming proxy, which then reads large pieces."""
PATH = "/large.bin"


@dataclass(frozen=True)
class Way:
    """How the client talks to the origin, and how many times cheaper than stock it has to be."""

    name: str
    scheme: Scheme
    http2: bool
    wanted: float


WAYS = (
    Way("plain HTTP/1", "http", http2=False, wanted=4.0),
    Way("TLS HTTP/1", "https", http2=False, wanted=2.5),
    Way("HTTP/2", "h2", http2=True, wanted=2.0),
)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default="512m", help="of the file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="downloads for each cell (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Origin(rate=ORIGIN_RATE) as origin:
        held = Path(folder) / "held.bin"
        sums = _make_file(held, arguments.size)
        origin.add(PATH, held, headers=[("X-Checksum-Sha1", sums.sha1.value.hex())])
        _index(Path(folder) / "nearfetch" / "data", held, sums)
        _print(_measure(Path(folder), origin, arguments.size, arguments.rounds))


def _make_file(path: Path, size: int) -> ContentSums:
    hasher, source = ContentHasher(), random.Random(7)
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            block = source.randbytes(min(1 << 20, size - start))
            file.write(block)
            hasher.update(block)
    return hasher.finish()


def _index(data_dir: Path, path: Path, sums: ContentSums) -> None:
    with HashStore.open(data_dir) as store:
        store.record(str(path), Fingerprint.of(path.stat()), time.time_ns(), sums)


@contextmanager
def _proxies(folder: Path, origin: Origin) -> Iterator[tuple[Proxy, Proxy]]:
    quiet = set_arguments("flow_detail", 0)
    stock = Proxy(
        folder / "stock",
        origin_ca=origin.ca_file,
        command=MITMDUMP,
        arguments=[*quiet, *set_arguments("stream_large_bodies", "1m")],
    )
    with stock, Proxy(folder / "nearfetch", origin_ca=origin.ca_file, arguments=quiet) as nearfetch:
        yield stock, nearfetch


def _measure(folder: Path, origin: Origin, size: int, rounds: int) -> dict[Way, tuple[float, float]]:
    """For each way, MB per CPU second of stock and of Nearfetch: medians of rounds that alternate."""
    nowhere = folder / "nowhere"
    nowhere.symlink_to(os.devnull)
    with _proxies(folder, origin) as proxies:
        results = {}
        for way in WAYS:
            rates: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                for proxy, found in zip(proxies, rates, strict=True):
                    found.append(_rate(proxy, origin.url(PATH, way.scheme), way, size, nowhere))
            results[way] = (median(rates[0]), median(rates[1]))
        return results


def _rate(proxy: Proxy, url: str, way: Way, size: int, output: Path) -> float:
    before = proxy.cpu_seconds()
    result = curl(url, output, proxy=proxy, http2=way.http2)
    if result.exit_code:
        raise RuntimeError(f"curl failed: {result.stderr}")
    return size / MB / (proxy.cpu_seconds() - before)


def _print(results: dict[Way, tuple[float, float]]) -> None:
    table = Table(title="MB per CPU second of the proxy process")
    for heading in ("", "mitmdump, streaming", "Nearfetch, from disk", "times", "wanted"):
        table.add_column(heading, justify="right")
    for way, (stock, ours) in results.items():
        table.add_row(way.name, f"{stock:.0f}", f"{ours:.0f}", f"{ours / stock:.1f}", f"{way.wanted:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
