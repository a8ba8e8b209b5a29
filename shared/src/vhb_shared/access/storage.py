"""What each role may read, write and delete in object storage, by key.

Every role may list names: an S3 server tells "no such object" from "not allowed" only to those who may list.
"""

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from vhb_shared.access.roles import Role
from vhb_shared.store import layout

_ANY = "*"
_RUN = layout.run_prefix(_ANY)
_JOB = layout.job_prefix(_ANY)
_DATASETS = "datasets/*"
_JUDGEMENTS = "judgements/*"
_IMPORTS = layout.imported_answers(_ANY)
_METRIC_CODE = layout.metric_code(_ANY)
_ENGINE_LOGS = layout.engine_log(_ANY, _ANY, _ANY)


@dataclass(frozen=True)
class Keys:
    """Patterns of keys; `*` stands for anything, slashes included, as S3 servers read it."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


_SUBMITS = Keys(
    read=(_DATASETS, _IMPORTS, _RUN + "*", _JOB + "*"),
    write=(_DATASETS, _IMPORTS, _METRIC_CODE, layout.job_submission(_ANY)),
)

KEYS: dict[Role, Keys] = {
    "scheduler": Keys(
        read=(_DATASETS, _JOB + "*", layout.run_spec(_ANY)),
        write=(layout.job_spec(_ANY), layout.plan(_ANY), layout.run_spec(_ANY)),
    ),
    "agent": Keys(
        read=(
            _DATASETS, layout.run_spec(_ANY), _RUN + "answers/*", _RUN + "checkpoints/*",
            layout.run_file(_ANY, "environment.json"), layout.telemetry_prefix(_ANY) + "*",
            layout.reuse_prefix(_ANY) + "*",
        ),
        write=(
            _RUN + "answers/*", _RUN + "checkpoints/*", layout.run_file(_ANY, "environment.json"),
            _ENGINE_LOGS, layout.telemetry_prefix(_ANY) + "*",
        ),
        delete=(_RUN + "checkpoints/*",),
    ),
    "evaluator": Keys(
        read=(
            _DATASETS, _IMPORTS, layout.run_spec(_ANY), _RUN + "answers/*", _RUN + "answers.*", _RUN + "scores/*",
            layout.telemetry_prefix(_ANY) + "*", layout.run_file(_ANY, "environment.json"),
            layout.run_file(_ANY, "performance.json"), layout.plan(_ANY), _JUDGEMENTS, _METRIC_CODE,
        ),
        write=(
            _RUN + "scores/*", layout.run_file(_ANY, "answers.csv"), layout.run_file(_ANY, "answers.parquet"),
            layout.run_file(_ANY, "scores.parquet"), layout.run_file(_ANY, "replicates.parquet"),
            layout.run_file(_ANY, "metrics*.csv"),
            layout.run_file(_ANY, "performance.json"), layout.run_file(_ANY, "telemetry.parquet"),
            layout.reuse_prefix(_ANY) + "*", layout.run_file(_ANY, "judges.json"), _JUDGEMENTS,
            layout.run_file(_ANY, "metric_environments.json"),
            # Questions to models are a data set.
            layout.dataset_samples(_ANY), layout.dataset_manifest(_ANY),
        ),
    ),
    "reporter": Keys(
        read=(_DATASETS, _IMPORTS, _RUN + "*", _JOB + "*"),
        write=(
            layout.run_file(_ANY, "report.md"), layout.job_file(_ANY, "report.*"),
            layout.job_file(_ANY, "metrics.*"), layout.job_file(_ANY, "performance.csv"),
            layout.job_file(_ANY, "results.xlsx"), layout.job_file(_ANY, "job.json"),
            layout.job_file(_ANY, "samples.html"), layout.job_samples(_ANY, _ANY),
        ),
    ),
    "cli": _SUBMITS,
    "api": replace(_SUBMITS, read=(*_SUBMITS.read, _ENGINE_LOGS)),
}  # fmt: skip
"""Roles that are not here have no key to object storage."""

_ACTIONS = {
    "read": ["s3:GetObject"],
    "write": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
    "delete": ["s3:DeleteObject"],
}


def allowed(role: Role, action: str, key: str) -> bool:
    """Whether a role may `read`, `write` or `delete` a key."""
    keys = KEYS.get(role, Keys())
    return any(fnmatchcase(key, pattern) for pattern in getattr(keys, action))


def policy(role: Role, bucket: str) -> str:
    """The role's policy as a document that S3 servers (MinIO and its drop-ins, AWS) understand."""
    keys = KEYS[role]
    statements: list[dict[str, object]] = [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
            "Resource": [f"arn:aws:s3:::{bucket}"],
        }
    ]
    for action, names in _ACTIONS.items():
        patterns: tuple[str, ...] = getattr(keys, action)
        if patterns:
            resources = [f"arn:aws:s3:::{bucket}/{pattern}" for pattern in patterns]
            statements.append({"Effect": "Allow", "Action": names, "Resource": resources})
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1)
