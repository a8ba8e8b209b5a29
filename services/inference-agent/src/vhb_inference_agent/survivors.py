"""What an agent writes down of backends that outlive it, so that its next life finds them.

One small file for each, written whole or not at all, below the agent's own directory. It holds no secret: variables
are named, not valued, where their values are.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vhb_shared.contracts.state import BackendDemand, Claim
from vhb_shared.environments.base import EnvironmentHandle, EnvironmentSpec
from vhb_shared.placement.room import Lease

log = structlog.get_logger(__name__)


class Survivor(BaseModel):
    """A backend that runs, and what it was given."""

    model_config = ConfigDict(frozen=True)

    claim: Claim
    demand: BackendDemand
    lease: Lease
    spec: EnvironmentSpec
    handle: EnvironmentHandle
    manifest: dict[str, Any] = Field(default_factory=dict)
    """Empty until it first answered."""


class SurvivorFiles:
    """The files of one agent. Methods block: call them in a thread.

    Args:
        directory: theirs alone; made when first written to.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self) -> list[Survivor]:
        """All of them; what cannot be read is dropped (what it named is then an orphan, and ended)."""
        found: list[Survivor] = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                found.append(Survivor.model_validate_json(path.read_bytes()))
            except (OSError, ValidationError) as error:
                log.warning("survivor_unreadable", file=str(path), reason=str(error)[:200])
                with contextlib.suppress(OSError):
                    path.unlink()
        return found

    def save(self, survivor: Survivor) -> None:
        """Writes it down before this returns.

        Raises:
            OSError: the disk is full or out of reach.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(survivor.claim)
        partial = path.with_suffix(".tmp")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(survivor.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def drop(self, claim: Claim, handle: EnvironmentHandle | None = None) -> None:
        """It ended in good order. What was started for the same claim since `handle` stays."""
        path = self._path(claim)
        with contextlib.suppress(OSError, ValidationError):
            if handle is None or Survivor.model_validate_json(path.read_bytes()).handle.id == handle.id:
                path.unlink(missing_ok=True)

    def _path(self, claim: Claim) -> Path:
        return self._directory / f"{claim.backend_id}.{claim.replica}.json"


class Record:
    """Keeps one session's file up to date; see `placed.Keep`."""

    def __init__(self, files: SurvivorFiles, claim: Claim, demand: BackendDemand, lease: Lease) -> None:
        self._files, self._claim, self._demand, self._lease = files, claim, demand, lease

    async def save(self, handle: EnvironmentHandle, spec: EnvironmentSpec, manifest: Mapping[str, Any]) -> None:
        """See `placed.Keep`."""
        survivor = Survivor(
            claim=self._claim,
            demand=self._demand,
            lease=self._lease,
            spec=spec,
            handle=handle,
            manifest=dict(manifest),
        )
        try:
            await asyncio.to_thread(self._files.save, survivor)
        except OSError as error:
            log.warning("survivor_not_written", backend_id=self._claim.backend_id, reason=str(error))

    async def drop(self, handle: EnvironmentHandle | None = None) -> None:
        """See `placed.Keep`."""
        await asyncio.to_thread(self._files.drop, self._claim, handle)
