"""`MetricEntry`: a metric with packages of its own, as a registry entry says it."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from vhb_shared.contracts.base import UserModel

OptionName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=60)]


class MetricResources(UserModel):
    """What a metric's process may use."""

    memory_gib: float | None = Field(None, gt=0)
    """What uses more is ended. None: what the evaluator allows."""
    cpus: float | None = Field(None, gt=0)
    """Cores; None: no limit."""


class MetricEntry(UserModel):
    """A metric that runs in an environment of its own, with packages that the evaluator lacks."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_.-]*$", max_length=100)
    """The id in job files; none that an installed package registers."""
    summary: str = Field(min_length=1)
    """One line for lists of metrics."""
    direction: Literal["higher", "lower"]
    """Which way is better."""
    source: str = Field(min_length=1)
    """Where the definition comes from."""
    version: str = Field("1", min_length=1, max_length=40, coerce_numbers_to_str=True)
    """Of the definition; packages and code count besides."""
    target: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
    """`module:Object`: a class with `score(samples)`, made with the options."""
    path: str | None = None
    """The metric's code: a folder (a package) or one .py file beside the entry; `sha256:<digest>` once it is stored."""
    packages: tuple[str, ...] = ()
    """Requirements of its environment."""
    lock: str | None = None
    """Requirements with hashes, complete: a file beside the entry, or its content."""
    environment: str = "process"
    """Where it runs."""
    image: str | None = None
    """What it runs in, where the environment runs images."""
    needs: tuple[Literal["text", "references"], ...] = ("text", "references")
    """Without `references`, samples that have none are scored too."""
    min_references: int = Field(1, ge=1)
    """How many references each sample needs."""
    normalisation: str = "text@1"
    pooled: bool = False
    """A group's value is sum(numerator) / sum(denominator), not the mean of values."""
    range: tuple[float, float] | None = None
    """Least and greatest value: what a failed sample counts at worst and at best. None: what an empty answer and a
    reference score."""
    options: dict[OptionName, Any] = Field(default_factory=dict)
    """Options with their defaults; a job may set these and no others."""
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(default_factory=dict)
    """Variables of its process; not for secrets."""
    resources: MetricResources = MetricResources()
    timeout_s: float = Field(300, gt=0)
    """Seconds that a batch (up to 256 samples) may take."""
    ready_timeout_s: float = Field(300, gt=0)
    """Seconds until it is loaded, once its packages are installed."""

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("the least value comes first")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "MetricEntry":
        if self.pooled and self.range is not None:
            raise ValueError("a pooled metric has no `range`: an empty answer and a reference tell its bounds")
        if self.range is None and "references" not in self.needs:
            raise ValueError("a metric that needs no references needs a `range`: it tells the bounds of failed samples")
        return self

    @property
    def digest(self) -> str:
        """Hash of all that may change a score: definition, code, packages, place."""
        fields = self.model_dump(
            mode="json", exclude={"summary", "source", "direction", "resources", "timeout_s", "ready_timeout_s"}
        )
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode("utf-8", "replace")).hexdigest()

    @property
    def full_version(self) -> str:
        """`<version>+<start of the digest>`: what scores say."""
        return f"{self.version}+{self.digest[:8]}"
