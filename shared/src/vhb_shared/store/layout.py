"""The only module that knows the keys of object storage."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

PREFIXES: Mapping[str, str] = MappingProxyType(
    {
        "datasets": "data sets",
        "imports": "answers made elsewhere",
        "jobs": "jobs, plans and reports",
        "runs": "answers, scores and figures of runs",
        "reuse": "which answers can be used again",
        "metrics": "code of metrics with packages of their own",
        "judgements": "what judges said",
        "logs": "the last words of engines",
    }
)
"""How every key begins, and what lies there."""


def dataset_manifest(digest: str) -> str:
    """datasets/<digest>/manifest.json: written last; a data set without it does not exist."""
    return f"datasets/{digest}/manifest.json"


def dataset_samples(digest: str) -> str:
    """datasets/<digest>/samples.parquet"""
    return f"datasets/{digest}/samples.parquet"


def dataset_media(digest: str, name: str) -> str:
    """datasets/<digest>/media/<sha256>.<ext>"""
    return f"datasets/{digest}/media/{name}"


def dataset_derived(digest: str, recipe: str) -> str:
    """datasets/<digest>/derived/<recipe>.json: the digest of what was made of a data set by a recipe (its hash)."""
    return f"datasets/{digest}/derived/{recipe}.json"


def job_spec(job_id: str) -> str:
    """jobs/<job_id>/job.yaml: as the user wrote it."""
    return f"jobs/{job_id}/job.yaml"


def job_submission(job_id: str) -> str:
    """jobs/<job_id>/submission.json: a job too big for a message."""
    return f"jobs/{job_id}/submission.json"


def plan(job_id: str) -> str:
    """jobs/<job_id>/plan.json"""
    return f"jobs/{job_id}/plan.json"


def job_file(job_id: str, name: str) -> str:
    """jobs/<job_id>/report.md, report.html, samples.html, metrics.csv, results.xlsx, job.json, ..."""
    return f"jobs/{job_id}/{name}"


def job_samples(job_id: str, name: str) -> str:
    """jobs/<job_id>/samples/<name>: what samples.html loads."""
    return f"jobs/{job_id}/samples/{name}"


def job_prefix(job_id: str) -> str:
    """jobs/<job_id>/"""
    return f"jobs/{job_id}/"


def run_spec(run_id: str) -> str:
    """runs/<run_id>/run.json"""
    return f"runs/{run_id}/run.json"


def run_file(run_id: str, name: str) -> str:
    """runs/<run_id>/answers.csv, answers.parquet, scores.parquet, replicates.parquet, metrics.csv, report.md, ..."""
    return f"runs/{run_id}/{name}"


def run_prefix(run_id: str) -> str:
    """runs/<run_id>/"""
    return f"runs/{run_id}/"


def answers_part(run_id: str, shard: int, token: str) -> str:
    """runs/<run_id>/answers/part-00003.<token>.parquet; the token is the start of the content's sha256."""
    return f"runs/{run_id}/answers/part-{shard:05d}.{token}.parquet"


def scores_part(run_id: str, shard: int, token: str) -> str:
    """runs/<run_id>/scores/part-00003.<token>.parquet: scores of the answers part with the same token."""
    return f"runs/{run_id}/scores/part-{shard:05d}.{token}.parquet"


def checkpoint_prefix(run_id: str, shard: int, attempt: int) -> str:
    """runs/<run_id>/checkpoints/00003.1/: answers of a shard in flight, in segments."""
    return f"runs/{run_id}/checkpoints/{shard:05d}.{attempt}/"


def checkpoint_shard_prefix(run_id: str, shard: int) -> str:
    """runs/<run_id>/checkpoints/00003.: what all attempts at a shard left."""
    return f"runs/{run_id}/checkpoints/{shard:05d}."


def checkpoint_segment(run_id: str, shard: int, attempt: int, segment: str) -> str:
    """runs/<run_id>/checkpoints/00003.1/<segment>.jsonl"""
    return f"{checkpoint_prefix(run_id, shard, attempt)}{segment}.jsonl"


def telemetry_prefix(run_id: str) -> str:
    """runs/<run_id>/telemetry/: what serving the run cost, as the agents measured it."""
    return f"runs/{run_id}/telemetry/"


def telemetry_segment(run_id: str, segment: str) -> str:
    """runs/<run_id>/telemetry/<session>-00000.parquet: of one backend session; rewritten until it is full."""
    return f"{telemetry_prefix(run_id)}{segment}.parquet"


def engine_log(backend_id: str, replica: int | str, session: str) -> str:
    """logs/<backend_id>.<replica>.<session>.log: the last lines that a backend session's engine wrote."""
    return f"logs/{backend_id}.{replica}.{session}.log"


def imported_answers(sha256: str) -> str:
    """imports/<sha256>.parquet: answers made elsewhere."""
    return f"imports/{sha256}.parquet"


def reuse_prefix(scope: str) -> str:
    """reuse/<scope>/: which answers there are of a model as it is set up; see `vhb_shared.reuse`."""
    return f"reuse/{scope}/"


def reuse_index(scope: str, seconds: int, run_id: str, token: str) -> str:
    """reuse/<scope>/<seconds>.<run_id>.<token>.parquet: fingerprints of a run's answers. Later ones sort last; the
    token is the start of the content's sha256."""
    return f"{reuse_prefix(scope)}{seconds:010d}.{run_id}.{token}.parquet"


def metric_code(sha256: str) -> str:
    """metrics/<sha256>.zip: the code of a metric that runs in an environment of its own."""
    return f"metrics/{sha256}.zip"


def judgement(fingerprint: str) -> str:
    """judgements/<fi>/<fingerprint>.json: what a judge said to one request, by the request's hash."""
    return f"judgements/{fingerprint[:2]}/{fingerprint}.json"


def file_name(key: str) -> str:
    """The last part of a key."""
    return PurePosixPath(key).name
