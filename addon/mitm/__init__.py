"""The only folder that touches mitmproxy's internals."""
