"""Tests of hashdb: real files, real SQLite, real processes."""
