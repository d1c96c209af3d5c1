"""JSON-RPC: the protocol, the server's endpoint, and the clients."""
