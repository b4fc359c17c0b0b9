"""A loopback origin that really works, with switches for the faults that real origins have."""

from tests.origin.accounting import Record
from tests.origin.resources import Cut, Resource
from tests.origin.server import Origin

__all__ = ["Cut", "Origin", "Record", "Resource"]
