"""Clients that leave, wherever that is: nothing of them stays behind in the proxy, and the next one is served."""

import contextlib
import hashlib
import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.origin import Cut
from tests.origin.server import Scheme
from tests.system import clients
from tests.system.conftest import MIB, Site, open_site, random_content, wait_until
from tests.system.raw_clients import Leaving, RawClient, SlowHttp1Client, SlowHttp2Client

FILE = random_content(8 * MIB, seed=41)
SHA256 = hashlib.sha256(FILE).hexdigest()
SCHEMES: list[Scheme] = ["http", "https", "h2"]
AT_ONCE = 16
IN_PROOF = 32 * 1024
BAD_BLOCK = 12 * MIB
LONGER = random_content(16 * MIB, seed=42)

WATCH = """
import asyncio, collections, json
from mitmproxy import http

class Watch:
    def __init__(self):
        self.ends = {}

    def requestheaders(self, flow):
        self.ends[flow.id] = []

    def request(self, flow):
        if flow.request.path == "/report":
            del self.ends[flow.id]
            unended = [i for i, ends in self.ends.items() if not ends]
            odd = [ends for ends in self.ends.values() if len(ends) > 1]
            told = {"tasks": len(asyncio.all_tasks()), "flows": len(self.ends), "unended": len(unended), "odd": odd}
            flow.response = http.Response.make(200, json.dumps(told))

    def response(self, flow):
        self.note(flow, "response")

    def error(self, flow):
        self.note(flow, "error")

    def note(self, flow, hook):
        if flow.id in self.ends:
            self.ends[flow.id].append(hook)

addons = [Watch()]
"""


CLIENTS: list[tuple[type[RawClient], Scheme, list[Leaving]]] = [
    (SlowHttp1Client, "http", ["close", "reset"]),
    (SlowHttp1Client, "https", ["close", "reset"]),
    (SlowHttp2Client, "h2", ["close", "reset", "cancel"]),
]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose proxy tells how many tasks and flows it has."""
    folder = tmp_path_factory.mktemp("watched")
    script = folder / "watch.py"
    script.write_text(WATCH)
    with open_site(folder, arguments=["-s", str(script)]) as site:
        site.hold(FILE, "copy.bin")
        yield site


def report(site: Site) -> dict[str, Any]:
    """What the watching script counts at this moment."""
    result = clients.requests_get("http://watch.invalid/report", site.folder / "report", proxy=site.proxy)
    assert result.exit_code == 0, result.stderr
    told: dict[str, Any] = json.loads(result.path.read_text())
    return told


@dataclass
class Balance:
    """What a proxy has open while nobody is connected."""

    site: Site
    tasks: int
    files: int

    @classmethod
    def of(cls, site: Site, path: str) -> "Balance":
        """After every sort of client was there once, so that all threads and tables are there."""
        for client, scheme, _ in CLIENTS:
            assert served(site, client, path, scheme)
        site.origin.wait_for(lambda: site.origin.open_connections == 0)
        return cls(site, report(site)["tasks"], site.proxy.open_files())

    def assert_restored(self) -> None:
        self.site.origin.wait_for(lambda: self.site.origin.open_connections == 0)
        wait_until(lambda: report(self.site)["unended"] == 0, "every flow has ended")
        told = report(self.site)
        assert told["odd"] == [], "flows that ended twice"
        wait_until(lambda: report(self.site)["tasks"] <= self.tasks, f"the tasks are {self.tasks} again")
        wait_until(lambda: self.site.proxy.open_files() <= self.files, f"the descriptors are {self.files} again")


def served(site: Site, client: type[RawClient], path: str, scheme: Scheme) -> bool:
    """Whether a client that stays gets its file."""
    with client(site.origin.url(path, scheme), proxy=site.proxy) as staying:
        staying.read()
        return staying.complete and staying.sha256 == SHA256


def leave(site: Site, path: str, place: int, choose: random.Random) -> None:
    client, scheme, ways = choose.choice(CLIENTS)
    how = choose.choice(ways)
    with contextlib.suppress(ConnectionError), client(site.origin.url(path, scheme), proxy=site.proxy) as leaving:
        leaving.read(place)
        assert leaving.error is None, leaving.error
        leaving.leave(how)
        if how == "cancel" and choose.random() < 0.5:
            assert isinstance(leaving, SlowHttp2Client)
            _goes_on(leaving)


def _goes_on(client: SlowHttp2Client) -> None:
    """The connection of a cancelled stream is as good as before."""
    client.again("/small")
    client.read()
    assert (client.complete, client.error, client.received) == (True, None, 5000)


def crowd(site: Site, count: int, seed: int) -> None:
    """Clients that leave during the proof, and during the delivery from disk, some at its very start and end."""
    site.origin.add("/small", bytes(5000))
    held = site.offer(FILE, cut_at=[Cut("hold", IN_PROOF, times=10 * count)])
    free = site.offer(FILE)
    choose = random.Random(seed)
    plans = [
        (held, choose.choice([0, 1, choose.randrange(IN_PROOF)]))
        if choose.random() < 0.3
        else (free, choose.choice([0, choose.randrange(len(FILE)), choose.randrange(len(FILE)), len(FILE) - 1]))
        for _ in range(count)
    ]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        jobs = [
            threads.submit(leave, site, path, place, random.Random(seed + number))
            for number, (path, place) in enumerate(plans)
        ]
    for job in jobs:
        job.result()


def fail_and_leave(site: Site, number: int) -> None:
    """Leave while the origin is to go on where the copy failed, and does not answer or is slow."""
    choose = random.Random(number)
    client, scheme, ways = CLIENTS[number % len(CLIENTS)]
    content = number.to_bytes(8) + LONGER[8:]
    copy, path = site.hold(content, f"bad {number}.bin"), site.offer(content)
    with client(site.origin.url(path, scheme), proxy=site.proxy) as leaving:
        leaving.read(2 * MIB)
        assert site.is_open(copy)
        site.resources[path].cut_at = [Cut("hold", BAD_BLOCK + choose.choice([0, 50_000]))]
        os.truncate(copy, BAD_BLOCK + 100)
        leaving.read(BAD_BLOCK)
        site.origin.wait_for(lambda: is_rest_asked_for(site, path))
        leaving.leave(choose.choice(ways))


def is_rest_asked_for(site: Site, path: str) -> bool:
    rest = f"bytes={BAD_BLOCK}-{len(LONGER) - 1}"
    return any((record.path, record.header("Range")) == (path, rest) for record in site.origin.requests)


def assert_as_before(site: Site, balance: Balance, path: str) -> None:
    for client, scheme, _ in CLIENTS:
        assert served(site, client, path, scheme)
    balance.assert_restored()


def test_two_hundred_that_leave(watched: Site) -> None:
    path = watched.offer(FILE)
    balance = Balance.of(watched, path)
    crowd(watched, 188, seed=1)
    for number in range(12):
        fail_and_leave(watched, number)
    assert_as_before(watched, balance, path)


@pytest.mark.soak
def test_thousands_that_leave(watched: Site) -> None:
    path = watched.offer(FILE)
    balance = Balance.of(watched, path)
    for seed in range(10):
        crowd(watched, 400, seed=1000 * seed)
        for number in range(12):
            fail_and_leave(watched, 1000 * (seed + 1) + number)
        assert_as_before(watched, balance, path)
