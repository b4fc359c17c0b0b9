"""The names of mitmproxy that are relied on, most of them private, and the check that they are all there."""

from __future__ import annotations

import importlib

REQUIRED = {
    "mitmproxy.addons.next_layer": ("NextLayer.next_layer",),
    "mitmproxy.addons.proxyserver": ("Proxyserver.register_connection",),
    "mitmproxy.connection": ("Client.copy", "ConnectionState.OPEN", "Server"),
    "mitmproxy.flow": ("Error.KILLED_MESSAGE",),
    "mitmproxy.proxy.commands": ("StartHook",),
    "mitmproxy.proxy.context": ("Context.fork",),
    "mitmproxy.proxy.events": ("ConnectionEvent", "Start"),
    "mitmproxy.proxy.layer": ("Layer.handle_event", "NextLayer"),
    "mitmproxy.proxy.layers.http": (
        "DropStream",
        "HTTPMode.transparent",
        "HTTPMode.upstream",
        "HttpLayer._handle_event",
        "HttpLayer.event_to_child",
        "HttpLayer.make_stream",
        "HttpStream.handle_event",
        "HttpStream.send_response",
        "HttpStream.start_response_stream",
        "HttpStream.state_done",
        "HttpStream.state_errored",
        "HttpStream.state_stream_response_body",
        "HttpStream.state_wait_for_response_headers",
        "SendHttp",
    ),
    "mitmproxy.proxy.layers.http._base": ("HttpConnection", "ReceiveHttp"),
    "mitmproxy.proxy.layers.http._events": (
        "ErrorCode.CANCEL",
        "ErrorCode.GENERIC_SERVER_ERROR",
        "HttpEvent",
        "RequestEndOfMessage",
        "RequestHeaders",
        "RequestProtocolError",
        "ResponseData",
        "ResponseEndOfMessage",
        "ResponseHeaders",
        "ResponseProtocolError",
        "ResponseTrailers",
    ),
    "mitmproxy.proxy.layers.http._hooks": ("HttpErrorHook", "HttpResponseHeadersHook"),
    "mitmproxy.proxy.layers.http._http2": ("Http2Server",),
    "mitmproxy.proxy.layers.http._http_h2": ("BufferedH2Connection",),
    "mitmproxy.proxy.mode_specs": ("UpstreamMode",),
    "mitmproxy.proxy.server_hooks": ("ServerConnectionHookData",),
    "mitmproxy.proxy.tunnel": ("TunnelLayer",),
    "mitmproxy.proxy.server": (
        "ConnectionHandler.drain_writers",
        "ConnectionHandler.handle_hook",
        "ConnectionHandler.server_event",
    ),
}
"""By module: classes and functions, and what they must have."""

ATTRIBUTES = {
    "mitmproxy.proxy.layer:Layer": ("_paused_event_queue",),
    "mitmproxy.proxy.layers.http:HttpLayer": ("connections", "streams"),
    "mitmproxy.proxy.layers.http:HttpStream": ("flow", "stream_id"),
    "mitmproxy.proxy.layers.http._http2:Http2Server": ("h2_conn",),
    "mitmproxy.proxy.layers.http._http_h2:BufferedH2Connection": ("stream_buffers",),
    "mitmproxy.proxy.server:ConnectionHandler": ("client", "timeout_watchdog", "transports", "wakeup_timer"),
    "mitmproxy.proxy.server:ConnectionIO": ("handler", "writer"),
    "mitmproxy.proxy.tunnel:TunnelLayer": ("conn", "tunnel_connection"),
    "mitmproxy.addons.proxyserver:Proxyserver": ("connections",),
}
"""By class: attributes that its objects have, as its own or its bases' annotations declare them."""


def missing() -> list[str]:
    """The names that this mitmproxy does not have; empty where all is well."""
    named = [f"{module}.{name}" for module, names in REQUIRED.items() for name in names if not _has(module, name)]
    declared = [
        f"{owner}.{name}".replace(":", ".")
        for owner, names in ATTRIBUTES.items()
        for name in names
        if not _declares(owner, name)
    ]
    return named + declared


def _has(module: str, dotted: str) -> bool:
    try:
        found: object = importlib.import_module(module)
        for part in dotted.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def _declares(owner_path: str, attribute: str) -> bool:
    module, class_name = owner_path.split(":")
    if not _has(module, class_name):
        return False
    owner: type = getattr(importlib.import_module(module), class_name)
    return any(attribute in vars(base).get("__annotations__", {}) for base in owner.__mro__)
