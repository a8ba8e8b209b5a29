"""NATS JetStream: connection, provisioning, publishing, subscriptions, key-value state, the embedded server."""

from vhb_shared.deferral import defer

# The NATS client imports one for its websocket transport, FastStream the other for its own command line: together
# half a second of every process's start.
defer("aiohttp", "uvicorn")
