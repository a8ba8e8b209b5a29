"""What a deployment's REST interface says."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError

ANSWER_S = 60


@dataclass(frozen=True)
class Api:
    """The interface, asked with one token."""

    url: str
    token: str

    def ready(self) -> bool:
        """Whether it has opened its database and brought it up to date."""
        try:
            self._get("/readyz")
        except OSError:  # refused, broken off, or 503
            return False
        return True

    def get(self, path: str) -> Any:
        """What stands at a path below /api/v1."""
        try:
            return json.loads(self._get(f"/api/v1{path}"))
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs, the newest first."""
        page = self.get("/jobs?limit=100")
        assert page["next"] is None
        found: list[dict[str, Any]] = page["items"]
        return found

    def event_ids(self, job_id: str) -> list[str]:
        """Of everything that has happened in a job, sorted."""
        page = self.get(f"/jobs/{job_id}/events?limit=500")
        assert page["next"] is None
        return sorted(event["id"] for event in page["items"])

    def _get(self, path: str) -> bytes:
        asked = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
            content: bytes = answer.read()
        return content
