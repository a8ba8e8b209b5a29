"""Where workers run: the environments of this host, and what to run there."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.isolation.code import MetricCode
from vhb_evaluator.settings import EvaluatorSettings
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.environments.base import Environment, EnvironmentSettings, EnvironmentSpec
from vhb_shared.environments.registry import environment_type
from vhb_shared.errors import UserError

LABELS: Mapping[str, str] = {"vhb.metric": "worker"}
_WORKER = "vhb_metric_worker"


class Places:
    """Makes environments when they are first asked for."""

    def __init__(self, settings: EvaluatorSettings, code: MetricCode) -> None:
        self._settings = settings
        self._code = code
        self._made: dict[str, Environment] = {}

    def get(self, name: str) -> Environment:
        """An environment.

        Raises:
            EvaluationFailed: unknown, broken, or not allowed here.
        """
        if name not in self._settings.places():
            allowed = ", ".join(self._settings.places()) or "none"
            raise EvaluationFailed(
                f"this evaluator runs no metrics in environment {name!r}; allowed: {allowed} "
                "(VHB_EVALUATOR_METRIC_ENVIRONMENTS)"
            )
        if name not in self._made:
            wheels = self._settings.wheels
            given = EnvironmentSettings(
                directory=self._settings.environments,
                agent_id=self._settings.name,
                wheels=wheels and wheels.absolute(),
                log_bytes=1 << 20,
            )
            try:
                self._made[name] = environment_type(name)(given)
            except UserError as error:
                raise EvaluationFailed(str(error)) from error
        return self._made[name]

    async def reap(self) -> None:
        """Ends what evaluators left that were killed."""
        for name in self._settings.places():
            try:
                environment = self.get(name)
            except EvaluationFailed:
                continue
            if await environment.problem() is None:
                await environment.reap(LABELS)

    async def spec(self, entry: MetricEntry, options: Mapping[str, Any]) -> EnvironmentSpec:
        """What to prepare and start for a metric.

        Raises:
            EvaluationFailed: its code is not there.
            Unavailable: the storage does not answer.
        """
        worker = _worker_folder()
        if worker is None:
            raise EvaluationFailed("this evaluator lacks the package vhb-metric-worker: install it beside it")
        code = await self._code.folder(entry)
        memory = entry.resources.memory_gib or self._settings.metric_memory_gib
        return EnvironmentSpec(
            name=f"metric {entry.name}",
            command=(
                "{python}", "-m", _WORKER, "--target", entry.target,
                "--host", "{host}", "--port", "{port}", "--port-file", "{port_file}",
            ),
            env={**entry.env, "VHB_METRIC_OPTIONS": json.dumps(dict(options))},
            lock=entry.lock or "",
            packages=entry.packages,
            local_packages=(worker,) if code is None else (worker, code),
            image=entry.image,
            memory_bytes=int(memory * (1 << 30)),
            cpus=entry.resources.cpus,
            ready_timeout_s=entry.ready_timeout_s,
            labels=dict(LABELS),
        )  # fmt: skip


def _worker_folder() -> Path | None:
    spec = importlib.util.find_spec(_WORKER)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None
