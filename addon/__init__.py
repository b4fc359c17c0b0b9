"""The mitmproxy side of Nearfetch."""
