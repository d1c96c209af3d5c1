"""The RPC server: connections, methods, events."""
