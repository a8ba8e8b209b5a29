"""Given answers that belong to no sample: nothing is left out without saying so."""

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vhb_shared.contracts.job import JobSpec
    from vhb_shared.store.base import ObjectStore

_NAMED = 5


async def left_out_answers(spec: "JobSpec", store: "ObjectStore") -> list[str]:
    """For each file of answers in a self-contained job a sentence about its rows whose id no sample of the data set
    has; filters and limits do not count, whoever sets them knows what they leave out."""
    from vhb_shared.datasets.pin import PINNED
    from vhb_shared.jobs.runs import STORED_KEY, meant_runs
    from vhb_shared.store import layout

    # Self-contained: every data set is one in storage.
    datasets = {task.name: task.dataset.removeprefix(PINNED) for task in spec.tasks if isinstance(task.dataset, str)}
    given = {
        (run.answers.removeprefix(STORED_KEY), datasets[run.task]): run.name
        for run in meant_runs(spec)
        if run.answers is not None and run.answers.startswith(STORED_KEY)
    }
    said = []
    for (answers, digest), name in given.items():
        with tempfile.TemporaryDirectory(prefix="vhb-ids-") as folder:
            files = Path(folder) / "answers.parquet", Path(folder) / "samples.parquet"
            await store.get_file(answers, files[0])
            await store.get_file(layout.dataset_samples(digest), files[1])
            strangers, rows = await asyncio.to_thread(_strangers, *files)
        if strangers:
            ids = ", ".join(f'"{each}"' for each in strangers[:_NAMED]) + (", ..." if len(strangers) > _NAMED else "")
            said.append(
                f"{name}: {len(strangers)} of {rows} given answers belong to no sample of the data set and are left "
                f"out: id {ids}"
            )
    return said


def _strangers(answers: Path, samples: Path) -> tuple[list[str], int]:
    import polars as pl

    given = pl.scan_parquet(answers).select("id")
    known = pl.scan_parquet(samples).select("id")
    strangers = given.join(known, on="id", how="anti", maintain_order="left").collect()
    return strangers["id"].to_list(), given.select(pl.len()).collect().item()
