"""Where the bytes of a body come from."""
