"""Settings of the evaluator."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class EvaluatorSettings(BaseSettings):
    """From the environment, prefix VHB_EVALUATOR_."""

    model_config = SettingsConfigDict(env_prefix="VHB_EVALUATOR_", extra="ignore")

    shards_at_once: int = Field(2, ge=1)
    """Shards scored at once by this process."""
