"""A running server for tests of its clients."""

from served import client, configured, serve

__all__ = ["client", "configured", "serve"]
