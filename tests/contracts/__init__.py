"""One suite over each implementation of an interface."""
