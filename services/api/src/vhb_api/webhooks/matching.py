"""Which receivers want an event."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from vhb_api.db.tables import JobRow, RunRow
from vhb_api.db.webhook_tables import WebhookRow
from vhb_shared.contracts.events import Event


class Matcher:
    """Looks at events with the rows of their jobs, which are there already.

    Args:
        session: of the transaction that wrote them.
        webhooks: the receivers.
    """

    def __init__(self, session: Session, webhooks: Sequence[WebhookRow]) -> None:
        self._session = session
        self._webhooks = webhooks

    def wanting(self, event: Event) -> list[WebhookRow]:
        """Those that want it. Where nothing is known of its job, filters let it through: better one too many."""
        return [row for row in self._webhooks if event.what in row.kinds and self._fits(row, event)]

    def _fits(self, row: WebhookRow, event: Event) -> bool:
        job = self._session.get(JobRow, event.job_id)
        if job is not None:
            if job.asked_by is not None and not row.judges:
                return False
            if row.job_name is not None and row.job_name.casefold() not in job.name.casefold():
                return False
        return row.model is None or self._is_of_model(event, row.model)

    def _is_of_model(self, event: Event, model: str) -> bool:
        named = getattr(event, "model", None)
        if named is not None:
            return bool(named == model)
        run_id = getattr(event, "run_id", None)
        if run_id is not None:
            run = self._session.get(RunRow, run_id)
            return run is None or run.model == model
        known = select(RunRow.run_id).where(RunRow.job_id == event.job_id)
        if self._session.scalar(known.where(RunRow.model == model).limit(1)) is not None:
            return True
        return self._session.scalar(known.limit(1)) is None
