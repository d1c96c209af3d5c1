"""The orchestrator's side: a JSON-RPC server on a socket, and its clients."""
