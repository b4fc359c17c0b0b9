"""Tests of the mitmproxy side."""
