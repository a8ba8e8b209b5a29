"""The two kinds of model: what a person writes (strict) and what travels on the wire (tolerant)."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class UserModel(BaseModel):
    """Written by people: an unknown key is a mistake and is said so."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class WireModel(BaseModel):
    """Sent between processes: unknown fields are ignored, so that a newer sender does not stop an older reader."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: ClassVar[int] = 1
