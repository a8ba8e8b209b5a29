"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Measures:
    """The measures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "vhb_api_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "vhb_api_request_seconds", "Time until a response began", ("route",), registry=self._registry
        )
        self.events = Counter("vhb_api_events", "Events taken into the database", registry=self._registry)
        self.pending = Gauge("vhb_api_events_pending", "Events that wait to be taken in", registry=self._registry)
        self.jobs = Gauge("vhb_api_jobs", "Jobs, by status", ("status",), registry=self._registry)
        self.clients = Gauge("vhb_api_watching", "Clients that watch", registry=self._registry)
        self.agents = Gauge("vhb_api_agents_online", "Agents that are online", registry=self._registry)

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)
