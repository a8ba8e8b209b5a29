"""`JobSpec`: the schema of a job file (YAML or JSON), and what registry entries say."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from vhb_shared.contracts.asking import FewShot, ShuffleOptions
from vhb_shared.contracts.base import UserModel
from vhb_shared.contracts.dataset import Corruption, DatasetSource, Variant
from vhb_shared.contracts.metric_entry import MetricEntry
from vhb_shared.contracts.metric_label import parse_label

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f/\\]+$")]
EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
SetName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f/\\+]+$")]
Stage = Literal["inference", "evaluation", "reporting"]
STAGES: tuple[Stage, ...] = ("inference", "evaluation", "reporting")
ReportLanguage = Literal["en", "ru"]


class Generation(UserModel):
    """How answers are generated; sent with every request."""

    temperature: float | None = Field(0, ge=0)
    """None leaves it to the server."""
    max_tokens: int | None = Field(1024, gt=0)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = None
    stop: tuple[str, ...] = ()
    extra: dict[str, Any] = Field(default_factory=dict)
    """Passed through in the request body, for what only one engine knows."""


class Resources(UserModel):
    """What a backend needs of a host."""

    gpus: int = Field(0, ge=0)
    gpu_memory_gib: float | None = Field(None, gt=0)
    """Per device."""
    cpus: float | None = Field(None, gt=0)
    """Cores it may use; None: no limit."""
    memory_gib: float | None = Field(None, gt=0)
    """Of the host, swap included: what uses more is ended as out of memory. None: no limit."""
    shm_gib: float | None = Field(None, gt=0)
    """Shared memory (/dev/shm) of a container; None: what the backend needs."""


class Mount(UserModel):
    """A folder of the agent's host that a backend sees."""

    source: str = Field(min_length=1)
    """Absolute path on the agent's host."""
    target: str = Field(min_length=1, pattern=r"^/")
    """Absolute path inside."""
    read_only: bool = True


class Retries(UserModel):
    """How stubborn a request is before its sample counts as failed."""

    max_attempts: int = Field(5, ge=1, le=100)
    max_wait_s: float = Field(30, ge=0)
    """Seconds of waiting between attempts, in all."""
    timeout_s: float = Field(300, gt=0)
    """Seconds one attempt may take."""


class ModelEntry(UserModel):
    """One model as a registry entry or inline in a job. With a name only, the registry's entry of that name is meant;
    other keys beside such a name override the entry's."""

    name: Name
    backend: str | None = None
    """Which backend adapter serves it; None refers to the registry."""
    model: str | None = None
    """The name the backend knows it by; defaults to `name`."""
    revision: str | None = None
    environment: str | None = None
    """Where the backend runs; None leaves it to the backend."""
    image: str | None = None
    """Container image, by tag or digest (`name@sha256:...`); None leaves it to the backend."""
    command: tuple[str, ...] = ()
    """What an image without an engine of ours runs; may hold {host}, {port} and {model}. Empty: the image's own."""
    engine_args: dict[str, Any] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)
    """Variables of the backend; not for secrets."""
    pass_env: tuple[EnvironmentVariable, ...] = ()
    """Names of the agent's variables that the backend gets too (HF_TOKEN); their values are stored nowhere."""
    mounts: tuple[Mount, ...] = ()
    packages: tuple[str, ...] = ()
    """Requirements installed on top of the backend's own when its environment starts."""
    resources: Resources = Resources()
    replicas: int = Field(1, ge=1, le=1000)
    ready_timeout_s: float | None = Field(None, gt=0)
    """Seconds it may take until it answers, weights fetched and loaded included; None leaves it to the backend."""
    generation: Generation = Generation()
    base_url: str | None = None
    api_key_env: EnvironmentVariable | None = None
    """The name of an environment variable of the agent, never a key."""
    concurrency: int | None = Field(None, ge=1, le=4096)
    """A cap on requests in flight for one replica."""
    stream: bool = True
    retries: Retries = Retries()
    description: str | None = None
    sources: tuple[str, ...] = ()
    """Where the entry's figures come from; for people."""

    @property
    def served_model(self) -> str:
        """The name that requests carry."""
        return self.model or self.name


def _entries(value: Any) -> Any:
    """A list of entries in which a text stands for the registry's entry of that name."""
    if isinstance(value, (list, tuple)):
        return tuple({"name": item} if isinstance(item, str) else item for item in value)
    return value


class MetricGate(UserModel):
    """What an answer must pass to be scored by another metric."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.strip().lower()


class MetricSpec(UserModel):
    """One metric asked for, with its options."""

    name: str
    normalisation: str | None = None
    profile: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    """What only this metric knows (`vhb metrics show NAME`)."""
    models: tuple[ModelEntry, ...] = Field((), max_length=9)
    """Models that it asks about the answers, served by the agents like any other: names of registry entries, or entries
    inline. Only for metrics that ask models, such as `judge`."""
    gate: MetricGate | None = None
    """`structural_fidelity`: an answer that does not validate against the task's schema is scored as an empty one."""
    pass_threshold: float | None = None
    """Where samples are asked several times: the value from which on (error rates: up to which) an answer counts as
    right for pass@k. None: metrics that are 0 or 1 know it, others have no pass@k."""
    entry: MetricEntry | None = None
    """A metric with packages of its own; None: the registry's entry of that name, else an installed metric."""

    @field_validator("name")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.strip().lower()

    @field_validator("models", mode="before")
    @classmethod
    def _names_or_entries(cls, value: Any) -> Any:
        return _entries(value)

    @field_validator("gate", mode="before")
    @classmethod
    def _named_gate(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value


class Filter(UserModel):
    """Restricts a run to samples whose columns hold one of the values. Both given: both must hold."""

    doc_class: tuple[str, ...] = ()
    question_type: tuple[str, ...] = ()

    @field_validator("doc_class", "question_type", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class PromptPair(UserModel):
    """A user prompt and a system prompt; either may be missing. Jinja2 templates over the sample's fields."""

    user_prompt: str | None = None
    system_prompt: str | None = None


class PromptSet(UserModel):
    """Prompts of a task in the order of precedence: fixed > by (class, question type) > by class > the general pair
    > the data set's own question."""

    fixed_prompt: str | None = None
    fixed_system_prompt: str | None = None
    by_class_question: dict[str, str] = Field(default_factory=dict)
    """Key: "<doc_class> <question_type>", joined and never split (names contain spaces)."""
    by_class: dict[str, PromptPair] = Field(default_factory=dict)
    user_prompt: str | None = None
    system_prompt: str | None = None


class MetricList(UserModel):
    """Metrics alone: a file for `vhb evaluate --metrics`."""

    metrics: tuple[MetricSpec, ...] = Field(min_length=1)

    @field_validator("metrics", mode="before")
    @classmethod
    def _names_or_specs(cls, value: Any) -> Any:
        return _named(value)


def _named(value: Any) -> Any:
    """A list of metrics in which a text stands for a metric: its name, or what tables name it."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, (list, tuple)):
        return tuple(parse_label(item) if isinstance(item, str) else item for item in value)
    return value


class TaskEntry(UserModel):
    """One task as a registry entry or inline in a job: samples, what is asked of them, how answers are scored.
    With a name and no `dataset`, the registry's entry of that name is meant."""

    name: Name
    dataset: str | DatasetSource | None = None
    """Folder, file, address, registry name, or `sha256:<digest>` of a data set already in storage; with keys, how it is
    to be read."""
    prompt: str | None = None
    prompts: str | PromptSet | None = None
    """A prompt collection: a file beside the job, or its content."""
    prompt_sets: dict[SetName, str | PromptSet] = Field(default_factory=dict)
    """Prompts to compare, instead of `prompts`: the task becomes one task `<name>+<set>` for each, on the same
    samples."""
    system_prompt: str | None = None
    """A text, or the name of a .txt or .md file beside the job."""
    response_schema: str | dict[str, Any] | None = None
    """JSON Schema for structured output: a file beside the job, or its content."""
    metrics: tuple[MetricSpec, ...] = ()
    aggregators: tuple[str, ...] = ("by_id", "by_doc_question", "by_doc_type", "general")
    """Which metrics_<aggregator>.csv files are written."""
    filter: Filter = Filter()
    limit: int | None = Field(None, ge=1)
    epochs: int = Field(1, ge=1, le=1000)
    """How often each question is asked; the seed, where there is one, grows by 1 each time."""
    circular: bool = False
    """Asks a multiple-choice question once for each rotation of its options."""
    shuffle_options: ShuffleOptions | None = None
    few_shot: FewShot | None = None
    answers: str | None = None
    """Stored answers to score instead of asking: a file, or `run:<run id>`."""
    corruptions: tuple[Corruption, ...] = ()
    """Variants of the task with images made worse: `<task>~blur-3`, ... A kind alone, or with several severities,
    stands for all of them."""
    variant: Variant | None = None
    """Set in the tasks that `corruptions` stand for."""
    compare_as: Name | None = None
    """Reports compare tasks of one name here, on the same samples, in one table; defaults to the task's own name."""
    description: str | None = None

    @property
    def comparison(self) -> str:
        """What reports call the tasks that are compared with this one, itself included."""
        return self.compare_as or self.name

    @property
    def is_repeated(self) -> bool:
        """Whether a sample may be asked several times."""
        return self.epochs > 1 or self.circular

    @property
    def manner(self) -> str:
        """How samples are asked, beside the prompt, in words; empty when each is asked once, as it is."""
        shots = self.few_shot
        said = (
            f"each question {self.epochs} times" if self.epochs > 1 else "",
            "every rotation of the options" if self.circular else "",
            f"options shuffled with seed {self.shuffle_options.seed}" if self.shuffle_options is not None else "",
            f"after {shots.count or len(shots.ids)} solved examples" if shots is not None else "",
        )
        return "; ".join(filter(None, said))

    @field_validator("corruptions", mode="before")
    @classmethod
    def _kinds_or_severities(cls, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return value
        single: list[Any] = []
        for item in value:
            entry: Any = {"kind": item} if isinstance(item, str) else item
            severities = entry.get("severity") if isinstance(entry, dict) else None
            if isinstance(severities, (list, tuple)):
                single += [{**entry, "severity": severity} for severity in severities]
            else:
                single.append(entry)
        return tuple(single)

    @field_validator("metrics", mode="before")
    @classmethod
    def _names_or_specs(cls, value: Any) -> Any:
        return _named(value)


class RunEntry(UserModel):
    """An exact pair, instead of models x tasks."""

    model: str
    task: str
    name: Name | None = None
    """Defaults to `<model>__<task>`."""
    stages: tuple[Stage, ...] | None = None
    """Overrides the job's stages for this run."""
    answers: str | None = None
    """Stored answers to score instead of asking: a file, or `run:<run id>`; overrides the task's."""
    results: str | None = None
    """`run:<run id>`: report on the results of that run as they are (stages: [reporting])."""


class ReportOptions(UserModel):
    """How a job's report is written."""

    language: ReportLanguage = "en"
    images: int = Field(300, ge=0, le=1_000_000)
    """Previews written beside samples.html: of the worst samples first, then of the others in data set order."""


class JobSpec(UserModel):
    """A benchmark as data: models x tasks, or exact runs."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    models: tuple[ModelEntry, ...] = ()
    tasks: tuple[TaskEntry, ...] = ()
    runs: tuple[RunEntry, ...] = ()
    stages: tuple[Stage, ...] = STAGES
    shard_size: int = Field(64, ge=1, le=100_000)
    skip_bad_rows: bool = False
    reuse: bool = True
    """Whether answers that earlier jobs got to the very same requests are used again instead of asking."""
    report: ReportOptions = ReportOptions()

    @field_validator("models", "tasks", mode="before")
    @classmethod
    def _names_or_entries(cls, value: Any) -> Any:
        return _entries(value)
