"""Certificates of the loopback origin, and its TLS listeners' settings."""

import functools
import ssl
from pathlib import Path

import trustme


@functools.cache
def _authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def _leaf() -> trustme.LeafCert:
    return _authority().issue_cert("localhost", "127.0.0.1")


def write_authority(folder: Path) -> Path:
    """Write what clients must trust; the same for all origins of this process."""
    path = folder / "origin-ca.pem"
    _authority().cert_pem.write_to_path(path)
    return path


def server_context(*protocols: str) -> ssl.SSLContext:
    """TLS for localhost and 127.0.0.1 that offers these protocols by ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _leaf().configure_cert(context)
    context.set_alpn_protocols(list(protocols))
    return context
