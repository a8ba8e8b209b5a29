"""What a job says about its judges."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from vhb_evaluator.metrics.base import MetricOptions
from vhb_shared.contracts.job import EnvironmentVariable, ModelEntry

DEFAULT_RUBRIC = (
    "Judge whether the answer is correct: whether it says the same as the reference, or, without a reference, answers "
    "the question. Wording, case and order do not matter; wrong, missing and invented facts do."
)
PLACES = ("question", "reference", "answer")


class JudgeModel(MetricOptions):
    """One judge."""

    model: str = Field(min_length=1)
    """The name its server knows it by."""
    base_url: str = Field(min_length=1, pattern=r"^https?://")
    """An OpenAI-compatible server that the evaluator reaches."""
    api_key_env: EnvironmentVariable | None = None
    """The name of a variable of the evaluator, never a key."""

    @field_validator("base_url")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("holds credentials: put the key into a variable and its name into `api_key_env`")
        return value


class JudgeOptions(MetricOptions):
    """What a job may set: one judge at an address with `model` and `base_url`, or several under `judges`. Judges that
    agents serve stand under `models` of the metric, and have their limits in their entries."""

    model: str | None = None
    base_url: str | None = None
    api_key_env: EnvironmentVariable | None = None
    judges: tuple[JudgeModel, ...] = Field((), max_length=9)
    """Several judges: the value is the mean of their scores."""
    rubric: str = Field(DEFAULT_RUBRIC, min_length=1, max_length=20_000)
    """What a good answer is. The form of the reply is added by us."""
    prompt: str | None = Field(None, max_length=20_000)
    """How the sample is put to the judge; `{question}`, `{reference}` and `{answer}` stand for delimited blocks."""
    images: bool = False
    """Whether judges see the images that the model was asked about."""
    lowest: int = 1
    highest: int = 5
    """The scale. A score becomes (score - lowest) / (highest - lowest)."""
    max_tokens: int = Field(1024, ge=1)
    concurrency: int = Field(8, ge=1, le=256)
    """Requests in flight, for all judges of this metric in one evaluator together; with images at most 8."""
    timeout_s: float = Field(120, gt=0)
    """Seconds one attempt may take."""
    attempts: int = Field(3, ge=1, le=10)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.judges and (self.model or self.base_url or self.api_key_env):
            raise ValueError("name one judge with `model` and `base_url`, or several under `judges`, not both")
        if bool(self.model) != bool(self.base_url) or (self.api_key_env and not self.model):
            raise ValueError("say who judges with both `model` and `base_url`")
        if self.highest <= self.lowest:
            raise ValueError("`highest` must be above `lowest`")
        if self.prompt is not None and "{answer}" not in self.prompt:
            raise ValueError("`prompt` must hold {answer}")
        self.at_addresses()  # raises what is wrong with the one judge
        return self

    def at_addresses(self) -> tuple[JudgeModel, ...]:
        """The judges that the evaluator asks itself."""
        if self.judges or self.model is None:
            return self.judges
        return (JudgeModel(model=self.model, base_url=self.base_url or "", api_key_env=self.api_key_env),)

    def judges_of(self, models: Sequence[ModelEntry]) -> list[dict[str, Any]]:
        """Who judges, in the order in which `detail` of a score has them: the name, and where the model is reached.

        Args:
            models: those that agents serve; none where judges are asked at addresses.
        """
        if models:
            return [
                {"model": model.name, "backend": model.backend, "served_model": model.served_model} for model in models
            ]
        return [{"model": judge.model, "base_url": judge.base_url} for judge in self.at_addresses()]


OF_ADDRESSES = frozenset(
    ("model", "base_url", "api_key_env", "judges", "max_tokens", "concurrency", "timeout_s", "attempts")
)
"""Options that mean nothing to judges whom agents serve."""
