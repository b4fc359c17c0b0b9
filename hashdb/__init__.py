"""Which files on this disk have which digests. Knows nothing of HTTP."""
