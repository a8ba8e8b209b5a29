"""Which run an answer is about."""

from pydantic import BaseModel

from vhb_shared.contracts.plan import RunSpec


class RunHead(BaseModel):
    """Which run it is."""

    run_id: str
    job_id: str
    name: str
    model: str
    task: str
    dataset: str
    dataset_digest: str

    @classmethod
    def of(cls, spec: RunSpec) -> "RunHead":
        """As it was planned."""
        return cls(
            run_id=spec.run_id,
            job_id=spec.job_id,
            name=spec.name,
            model=spec.model.name,
            task=spec.task.name,
            dataset=spec.dataset.name,
            dataset_digest=spec.dataset.digest,
        )
