"""Everything on one machine: nats-server and the services as child processes under one small supervisor."""
