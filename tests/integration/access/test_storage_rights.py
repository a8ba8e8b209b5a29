"""Keys of object storage are for those who need them: the table, and a server that enforces the policies made of it."""

import json
from collections.abc import Iterator

import pytest
from s3_rights_server import RightsServer, rights_server

from vhb_shared.access.roles import ROLES, Role
from vhb_shared.access.storage import KEYS, allowed, policy
from vhb_shared.errors import UserError
from vhb_shared.store import layout

_SHA = "ab" * 32
WRITERS: dict[str, set[Role]] = {
    # Questions that metrics ask models are data sets too; their images are those of the run's data set.
    layout.dataset_manifest(_SHA): {"cli", "api", "evaluator"},
    layout.dataset_samples(_SHA): {"cli", "api", "evaluator"},
    layout.dataset_media(_SHA, f"{_SHA}.png"): {"cli", "api"},
    layout.imported_answers(_SHA): {"cli", "api"},
    layout.job_submission("job"): {"cli", "api"},
    layout.job_spec("job"): {"scheduler"},
    layout.plan("job"): {"scheduler"},
    layout.run_spec("job-0"): {"scheduler"},
    layout.answers_part("job-0", 3, "abc"): {"agent"},
    layout.checkpoint_segment("job-0", 3, 1, "000"): {"agent"},
    layout.run_file("job-0", "environment.json"): {"agent"},
    layout.engine_log("b", 0, "s"): {"agent"},
    layout.telemetry_segment("job-0", "s-00000"): {"agent"},
    layout.scores_part("job-0", 3, "abc"): {"evaluator"},
    layout.run_file("job-0", "answers.csv"): {"evaluator"},
    layout.run_file("job-0", "answers.parquet"): {"evaluator"},
    layout.run_file("job-0", "scores.parquet"): {"evaluator"},
    layout.run_file("job-0", "metrics.csv"): {"evaluator"},
    layout.run_file("job-0", "metrics_general.csv"): {"evaluator"},
    layout.run_file("job-0", "performance.json"): {"evaluator"},
    layout.run_file("job-0", "telemetry.parquet"): {"evaluator"},
    layout.run_file("job-0", "judges.json"): {"evaluator"},
    layout.judgement(_SHA): {"evaluator"},
    layout.reuse_index("scope", 1, "job-0", "abc"): {"evaluator"},
    layout.run_file("job-0", "metric_environments.json"): {"evaluator"},
    layout.run_file("job-0", "replicates.parquet"): {"evaluator"},
    layout.metric_code(_SHA): {"cli", "api"},
    layout.run_file("job-0", "report.md"): {"reporter"},
    layout.job_file("job", "report.md"): {"reporter"},
    layout.job_file("job", "report.html"): {"reporter"},
    layout.job_file("job", "metrics.csv"): {"reporter"},
    layout.job_file("job", "performance.csv"): {"reporter"},
    layout.job_file("job", "job.json"): {"reporter"},
}
"""Who writes what; every function of the layout that names an object is here."""


def test_objects_are_written_by_who_makes_them() -> None:
    for key, writers in WRITERS.items():
        assert {role for role in ROLES if allowed(role, "write", key)} == writers, key


def test_only_checkpoints_can_be_deleted() -> None:
    for key in WRITERS:
        deleters = {role for role in ROLES if allowed(role, "delete", key)}
        assert deleters == ({"agent"} if "/checkpoints/" in key else set()), key


def test_results_can_be_read_by_who_needs_them() -> None:
    for key in WRITERS:
        if not key.startswith(("reuse/", "imports/", "judgements/", "metrics/", "logs/")):
            assert allowed("cli", "read", key) and allowed("reporter", "read", key), key
    for role in ("agent", "evaluator", "scheduler"):
        assert allowed(role, "read", layout.run_spec("job-0"))
        assert allowed(role, "read", layout.dataset_samples(_SHA))
    assert not allowed("agent", "read", layout.scores_part("job-0", 3, "abc"))
    assert not allowed("agent", "read", layout.plan("job"))
    assert not any(allowed("subscriber", "read", key) for key in WRITERS)


def test_policies_name_one_bucket_and_no_action_beyond_objects() -> None:
    for role in KEYS:
        for statement in json.loads(policy(role, "bucket"))["Statement"]:
            assert all(name.startswith("arn:aws:s3:::bucket") for name in statement["Resource"])
            assert all("*" not in action for action in statement["Action"])


@pytest.fixture(scope="module")
def s3() -> Iterator[RightsServer]:
    with rights_server() as server:
        yield server


async def test_a_server_that_enforces_policies_lets_each_role_write_its_own_and_nothing_else(s3: RightsServer) -> None:
    for role in KEYS:
        async with s3.store(role) as store:
            for key, writers in WRITERS.items():
                if role in writers:
                    await store.put(key, key.encode())
    for role in KEYS:
        async with s3.store(role) as store:
            for key, writers in WRITERS.items():
                if role not in writers:
                    with pytest.raises(UserError, match="denies access"):
                        await store.put(key, b"forged")
                if allowed(role, "read", key):
                    assert await store.get(key) == key.encode(), (role, key)
                else:
                    with pytest.raises(UserError, match="denies access"):
                        await store.get(key)


async def test_what_is_missing_is_missing_and_not_forbidden(s3: RightsServer) -> None:
    async with s3.store("agent") as agent:
        assert not await agent.exists(layout.run_file("job-9", "environment.json"))
        assert [info async for info in agent.list(layout.checkpoint_shard_prefix("job-9", 0))] == []
        with pytest.raises(UserError, match="denies access"):
            await agent.delete(layout.answers_part("job-0", 3, "abc"))


async def test_a_wrong_key_is_refused(s3: RightsServer) -> None:
    s3.keys["nobody"] = ("AKIAIOSFODNN7EXAMPLE", "guess" * 8)
    async with s3.store("nobody") as store:
        with pytest.raises(UserError):
            await store.get(layout.run_spec("job-0"))
