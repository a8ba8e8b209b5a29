"""What serving a run costs: devices, memory, the engine's queue, requests in flight; and the watch over backends."""
