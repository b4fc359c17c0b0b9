"""What origins see of a client's request."""

from __future__ import annotations

from tests.system.clients import curl
from tests.system.conftest import MIB, Site, random_content


def test_what_is_meant_for_the_proxy_stays_there(site: Site) -> None:
    path = site.offer(random_content(MIB, 71))
    headers = [("Proxy-Connection", "keep-alive"), ("X-Other", "stays")]
    result = curl(site.origin.url(path), site.folder / "out", proxy=site.proxy, headers=headers)
    assert result.exit_code == 0
    (seen,) = (record for record in site.origin.requests if record.path == path)
    assert (seen.header("proxy-connection"), seen.header("x-other")) == (None, "stays")
