"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from vhb_api.webhooks.sender import Answer


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
        self.deliveries = Counter(
            "vhb_api_webhook_attempts", "Attempts to deliver to webhooks", ("result",), registry=self._registry
        )
        self.waiting = Gauge("vhb_api_webhook_deliveries_waiting", "Deliveries that wait", registry=self._registry)
        self.agents = Gauge("vhb_api_agents_online", "Agents that are online", registry=self._registry)

    def attempt(self, answer: Answer) -> None:
        """Counts an attempt at a delivery."""
        self.deliveries.labels("delivered" if answer.ok else "failed").inc()

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self._registry)
