"""The addon: hooks that gather facts, have a plan made of them, and hand it over."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from mitmproxy import ctx, exceptions, flowfilter, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.log import ALERT
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from addon import digest_headers, options, plan, welcome
from addon.claims import Claims, Exchange
from addon.commands import Commands
from addon.delivery import Delivery, Terms
from addon.index import Index
from addon.mitm import names
from addon.outcome import Outcome, Totals
from addon.partial import Representation, strong_etag
from addon.plan import Facts, Stream, TryLocal
from addon.proof import HEAD_SIZE
from addon.proven import Proven, Showing
from addon.ranges import Span
from addon.scanner import Scanner
from addon.search import Proof, ProveOnce, Search, prove_each_time
from addon.sources.upstream import Upstream
from hashdb.paths import printable

if TYPE_CHECKING:
    from addon.mitm.takeovers import Takeovers

logger = logging.getLogger(__name__)

DISK_THREADS = 16
"""Threads that read files."""


class Nearfetch:
    """Hooks only."""

    settings: options.Settings
    """The options as they are now; unset where they were refused at the start, which ends the proxy."""

    def __init__(self) -> None:
        self.totals = Totals()
        self.claims = Claims()
        self.proven = Proven()
        self.disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="nearfetch-disk")
        self.index = Index()
        self.scanner = Scanner()
        self.takeovers: Takeovers | None = None
        self.plain: dict[str, Outcome] = {}
        self.refused = False
        self.is_running = False
        self.addons = [Commands(self)]

    def load(self, loader: Loader) -> None:
        options.declare(loader)

    def configure(self, updated: set[str]) -> None:
        if not any(name.startswith(options.PREFIX) for name in updated):
            return
        try:
            self.settings = options.read(ctx.options)
        except exceptions.OptionsError as error:
            if self.is_running:
                raise
            # mitmproxy would show a traceback of ours; an error that is logged at its start ends it as well.
            logger.error("%s", error)  # noqa: TRY400
            self.refused = True
            return
        if self.is_running and updated & options.ABOUT_THE_INDEX:
            self._open_index(self.settings)

    def running(self) -> None:
        if self.refused:
            return
        self.is_running = True
        self._take_over_bodies()
        self._open_index(self.settings)
        servers = ctx.master.addons.get("proxyserver").servers
        explicit = [server for server in servers if server.mode.type_name in ("regular", "upstream")]
        addresses = [address[:2] for server in explicit for address in server.listen_addrs]
        for line in welcome.lines(addresses, self.settings.scan_paths, ctx.options.nearfetch_min_size):
            logger.info("Nearfetch: %s", line)

    def _open_index(self, settings: options.Settings) -> None:
        self.index.open(settings.data_dir)
        self.scanner.set(settings.data_dir, settings.scan_paths, settings.policy.min_size)
        self.scanner.start()

    def _take_over_bodies(self) -> None:
        missing = names.missing()
        if missing:
            what = ", ".join(missing)
            logger.log(ALERT, "Nearfetch does nothing: this mitmproxy lacks %s. It stays a plain proxy.", what)
            return
        from addon.mitm.takeovers import Takeovers  # noqa: PLC0415 - it imports those names

        self.takeovers = Takeovers(ctx.master)

    def done(self) -> None:
        self.scanner.stop()
        self.index.close()
        self.disk.shutdown(wait=False)

    def next_layer(self, choice: NextLayer) -> None:
        if self.takeovers is not None:
            self.takeovers.adopt(choice)

    def client_disconnected(self, client: Client) -> None:
        if self.takeovers is not None:
            self.takeovers.client_disconnected(client)

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        if self.takeovers is not None:
            self.takeovers.server_disconnected(data)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        # Meant for us alone; origins answer ranges differently where they see it.
        flow.request.headers.pop("proxy-connection", None)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if self.takeovers is None or not self._is_ours(flow):
            return
        assert flow.response
        if 300 <= flow.response.status_code < 400:
            self.claims.carry(_exchange(flow), time.monotonic())
            return
        facts = _facts(flow)
        span = plan.eligible_span(facts, self.settings.policy)
        if span is not None:
            self._deliver(flow, facts, span)

    def _is_ours(self, flow: http.HTTPFlow) -> bool:
        """Whether the response is an origin's to a client, and not made or streamed by another addon."""
        assert flow.response
        return (
            self.takeovers is not None
            and self.takeovers.possible(flow)
            and not flow.is_replay
            and flow.response.raw_content is None
            and not callable(flow.response.stream)
            and not (self.settings.skip and flowfilter.match(self.settings.skip, flow))
        )

    def _deliver(self, flow: http.HTTPFlow, facts: Facts, span: Span) -> None:
        assert flow.response
        claims = digest_headers.agree(self.claims.of(_exchange(flow), time.monotonic()))
        wanted = [claim.digest for claim in plan.keys(claims)]
        copies = self.index.find(wanted) if wanted else []
        proof = plan.proof_for(*_origin_of(flow), self.settings.policy)
        match plan.decide(facts, span, claims, copies, proof):
            case Stream(reason):
                flow.response.stream = True
                self.plain[flow.id] = Outcome(wanted=span.length, reason=reason)
                _say_in_header(flow.response, "fwd=miss")
            case TryLocal() as chosen:
                self._try_local(flow, span, chosen)

    def _try_local(self, flow: http.HTTPFlow, span: Span, chosen: TryLocal) -> None:
        assert flow.response
        assert self.takeovers is not None
        assert span.total is not None
        upstream = Upstream(HEAD_SIZE, self.takeovers.receive_buffer_of(flow).hold)
        search = Search(
            copies=chosen.copies,
            proof=chosen.proof,
            known=Representation(span.total, strong_etag(flow.response.headers)),
            start=span.start,
            head=upstream.head,
            origin=self.takeovers.origin_of(flow),
            disk=self.disk,
            forget=self.index.forget,
            prove_once=self._prove_once(flow),
        )
        terms = Terms(
            certain=chosen.proof is Proof.TRUST,
            hold_origin=self.settings.prefer is options.Prefer.BANDWIDTH,
            patience=self.takeovers.patience,
        )
        finished = partial(self._finished, flow)
        self.takeovers.take(flow, partial(Delivery, span, upstream, search, terms, finished))
        _say_in_header(flow.response, "hit; detail=local" if terms.certain else "fwd=miss; detail=candidate")

    def _prove_once(self, flow: http.HTTPFlow) -> ProveOnce:
        assert flow.response
        etag = strong_etag(flow.response.headers)
        if etag is None:
            return prove_each_time
        return partial(self.proven.once, Showing(_client_of(flow), flow.request.url, etag))

    def response(self, flow: http.HTTPFlow) -> None:
        outcome = self.plain.pop(flow.id, None)
        if outcome is not None:
            outcome.delivered = outcome.from_origin = outcome.wanted
            self._finished(flow, outcome)

    def error(self, flow: http.HTTPFlow) -> None:
        outcome = self.plain.pop(flow.id, None)
        if outcome is not None:
            outcome.end = f"broken off: {flow.error.msg if flow.error else 'unknown'}"
            self._finished(flow, outcome)

    def _finished(self, flow: http.HTTPFlow, outcome: Outcome) -> None:
        self.totals.add(outcome)
        sentence = outcome.sentence()
        flow.comment = f"{flow.comment}; {sentence}" if flow.comment else sentence
        logger.info("Nearfetch: %s %s", printable(flow.request.pretty_url), sentence)


def _facts(flow: http.HTTPFlow) -> Facts:
    assert flow.response
    return Facts(flow.request.method, flow.request.headers, flow.response.status_code, flow.response.headers)


def _exchange(flow: http.HTTPFlow) -> Exchange:
    assert flow.response
    return Exchange(
        client=_client_of(flow),
        url=flow.request.pretty_url,
        path=flow.request.path,
        request=flow.request.headers,
        status=flow.response.status_code,
        lines=flow.response.headers.items(multi=True),
        location=flow.response.headers.get("location"),
    )


def _client_of(flow: http.HTTPFlow) -> str:
    return flow.client_conn.peername[0] if flow.client_conn.peername else ""


def _origin_of(flow: http.HTTPFlow) -> tuple[str, str, int]:
    """Scheme, host and port that were connected to: never the Host header, which the client makes."""
    host = flow.request.host
    if flow.request.scheme == "https" and flow.server_conn.sni:
        host = flow.server_conn.sni
    return flow.request.scheme, host, flow.request.port


def _say_in_header(response: http.Response, what: str) -> None:
    """Cache-Status (RFC 9211), after what caches nearer to the origin said."""
    said = response.headers.get("cache-status")
    response.headers["cache-status"] = f"{said}, nearfetch; {what}" if said else f"nearfetch; {what}"
