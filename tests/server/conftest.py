"""A running server for tests of its methods."""

from served import client, configured, serve

__all__ = ["client", "configured", "serve"]
