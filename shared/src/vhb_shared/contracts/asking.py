"""What a task says of how its samples are asked, beside the prompt: examples before the question, options in another
order."""

from pydantic import Field, model_validator

from vhb_shared.contracts.base import UserModel

SAME = "same"
"""`few_shot.dataset`: the task's own data set."""


class ShuffleOptions(UserModel):
    """Options of multiple-choice questions are shown in an order drawn for each sample."""

    seed: int = 0
    """The same seed gives each sample the same order, in every run and on every machine."""


class FewShot(UserModel):
    """Solved examples that come before the question: a turn of the user, and the reference as the assistant's."""

    dataset: str = SAME
    """Where the examples are: a folder, file or registry name, or `same`. A sample is never an example of itself."""
    ids: tuple[str, ...] = ()
    """Exactly these samples, in this order."""
    count: int | None = Field(None, ge=1, le=64)
    """So many, drawn by `seed`; of the task's own data set only from samples that its filter lets through."""
    seed: int = 0

    @model_validator(mode="after")
    def _ids_or_count(self) -> "FewShot":
        if bool(self.ids) == (self.count is not None):
            raise ValueError("needs either `ids` or `count`")
        if len(set(self.ids)) < len(self.ids):
            raise ValueError("names an id twice in `ids`")
        if len(self.ids) > 64:
            raise ValueError("names more than 64 `ids`")
        return self
