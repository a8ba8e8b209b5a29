"""Which objects of a job are its results, and which only how the work was done."""

JOB_FILES = (
    "report.md", "report.html", "metrics.csv", "metrics.parquet", "metrics.json", "results.xlsx", "performance.csv",
    "job.json", "samples.html",
)  # fmt: skip
"""What a job's results hold beside the folders of its runs and what samples.html loads."""
_OF_THE_WORK = ("answers/", "scores/", "checkpoints/", "telemetry/", "run.json")


def is_run_result(name: str) -> bool:
    """Whether an object of a run, by its name below the run's prefix, is a result; parts and plans are not."""
    return not name.startswith(_OF_THE_WORK)
