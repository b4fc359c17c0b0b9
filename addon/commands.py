"""Commands for mitmproxy's console and web interface."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mitmproxy import command

from hashdb.sizes import format_size

if TYPE_CHECKING:
    from addon.hooks import Nearfetch

logger = logging.getLogger(__name__)


class Commands:
    """What a person can ask of a running Nearfetch."""

    def __init__(self, nearfetch: Nearfetch) -> None:
        self._nearfetch = nearfetch

    @command.command("nearfetch.status")
    def status(self) -> str:
        """What was saved so far, what is indexed, and whether anything is wrong."""
        lines = "\n".join(self._lines())
        logger.info("Nearfetch: %s", lines)
        return lines

    @command.command("nearfetch.scan")
    def scan(self) -> str:
        """Index the folders again; only what changed is read."""
        if self._nearfetch.scanner.start():
            return "the scan has begun"
        return "a scan is under way already, or no folder is named in nearfetch_scan_paths"

    def _lines(self) -> list[str]:
        nearfetch = self._nearfetch
        totals = nearfetch.totals
        kinds = ", ".join(f"{count} {kind}" for kind, count in totals.deliveries.items())
        held = nearfetch.index.statistics()
        lines = [
            f"deliveries: {kinds}; {format_size(totals.saved)} of {format_size(totals.delivered)} saved",
            f"indexed: {held.files} files, {format_size(held.file_bytes)}"
            if held
            else f"indexed: nothing, {nearfetch.index.problem}",
            "a scan is under way" if nearfetch.scanner.running else f"last scan: {nearfetch.scanner.last}",
        ]
        if nearfetch.takeovers is None:
            lines.append("this mitmproxy is not supported: Nearfetch does nothing")
        else:
            lines.append(f"under way from a nearer source: {len(nearfetch.takeovers.active)}")
        return lines
