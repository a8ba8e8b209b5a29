"""The run YAML of the later design of the earlier tool: one file is one run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from vhb_shared.contracts.job import Generation, JobSpec, MetricSpec, ModelEntry, TaskEntry
from vhb_shared.datasets.config_cells import AGGREGATORS
from vhb_shared.datasets.models_csv import backend_of, hub_name
from vhb_shared.datasets.table import nearest
from vhb_shared.errors import UserError


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class _Common(_Form):
    name: str | None = None
    dataset: str = Field(min_length=1)
    metrics: tuple[str, ...] = ()
    system_prompt: str | None = None
    prompt_collection: str | None = None
    prompt: str | None = None

    @field_validator("metrics", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return () if value is None else ((value,) if isinstance(value, str) else value)


class _FlatRun(_Common):
    """`name, task, dataset, model_name, docker_image, metrics[], framework, parameters{...}`."""

    task: str | None = None
    model_name: str = Field(min_length=1)
    docker_image: str | None = None
    framework: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


class _NestedModel(_Form):
    name: str = Field(min_length=1)
    framework: str | None = None
    docker_image: str | None = None
    package_manager: str | None = None
    engine_params: dict[str, Any] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)


class _NestedRun(_Common):
    """`ml_task, model{...}, dataset, metrics, reports`."""

    ml_task: str | None = None
    model: _NestedModel
    reports: tuple[Any, ...] | dict[str, Any] | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)


def is_run_yaml(content: object) -> bool:
    """Whether a mapping read from YAML is such a file rather than a job."""
    if not isinstance(content, Mapping) or "models" in content or "tasks" in content or "runs" in content:
        return False
    return "model_name" in content or "ml_task" in content or isinstance(content.get("model"), Mapping)


def read_run_yaml(content: Mapping[str, Any], path: Path) -> JobSpec:
    """Turns a file of either form into a job of one model and one task.

    Args:
        content: as read from YAML.
        path: the file it was read from; data sets are looked for beside it, and under `Datasets/<task>/` there.

    Raises:
        UserError: unknown keys (with the nearest known), wrong types, missing ones.
    """
    form: type[_FlatRun] | type[_NestedRun] = _FlatRun if "model_name" in content else _NestedRun
    try:
        run = form.model_validate(content)
        if isinstance(run, _FlatRun):
            model, kind, parameters = _model(run.model_name, run.framework, run.docker_image), run.task, run.parameters
        else:
            model, kind = _nested_model(run.model), run.ml_task
            parameters = {**run.model.parameters, **run.parameters}
        model = model.model_copy(update={"generation": _generation(parameters)})
        task = TaskEntry(
            name=run.dataset.replace("\\", "/").strip("/").rsplit("/", 1)[-1],
            dataset=_dataset(run.dataset, kind, path.parent),
            prompt=run.prompt,
            prompts=run.prompt_collection,
            system_prompt=run.system_prompt,
            metrics=tuple(MetricSpec(name=name) for name in run.metrics),
            aggregators=AGGREGATORS,
        )
        return JobSpec(
            name=run.name or path.stem,
            models=(model,),
            tasks=(task,),
            stages=("inference", "evaluation", "reporting") if run.metrics else ("inference", "reporting"),
        )
    except ValidationError as error:
        problems = tuple(_sentence(path, form, detail) for detail in error.errors())
        raise UserError(problems[0], problems=problems) from error


def _nested_model(model: _NestedModel) -> ModelEntry:
    entry = _model(model.name, model.framework, model.docker_image)
    return entry.model_copy(update={"engine_args": model.engine_params, "env": model.env})


def _model(name: str, framework: str | None, docker_image: str | None) -> ModelEntry:
    backend = backend_of(framework) if framework else None
    model = hub_name(name) if backend in ("transformers", "vllm", "sglang") else name
    plain = name.rsplit("/", 1)[-1]
    return ModelEntry(name=plain, backend=backend, model=model if model != plain else None, image=docker_image)


def _dataset(written: str, kind: str | None, folder: Path) -> str:
    """The data set as a job says it: its folder where it is found below `Datasets/`, else as written."""
    if (folder / written).exists():
        return written
    for root in ("Datasets", "data_dirs/Datasets"):
        for place in (f"{root}/{kind}/{written}", f"{root}/{written}"):
            if (folder / place).exists():
                return place
    return written


def _generation(parameters: Mapping[str, Any]) -> Generation:
    """Known parameters by their names; the others go to the engine as they are."""
    known = {name: value for name, value in parameters.items() if name in Generation.model_fields and name != "extra"}
    extra = {name: value for name, value in parameters.items() if name not in known}
    return Generation.model_validate({**known, "extra": extra})


def _sentence(source: Path, form: type[BaseModel], detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        fields = _NestedModel.model_fields if detail["loc"][0] == "model" else form.model_fields
        return f'{source}: unknown key "{place}"{nearest(str(detail["loc"][-1]), tuple(fields))}'
    if detail["type"] == "missing":
        return f'{source}: "{place}" is missing'
    return f"{source}: {place}: {detail['msg']}"
