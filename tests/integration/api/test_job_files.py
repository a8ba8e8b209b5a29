"""Job files over REST: their schema, and old jobs as files to begin anew from."""

import yaml
from interface import Interface

from vhb_shared.contracts.dataset import Corruption
from vhb_shared.contracts.job import Generation, JobSpec, MetricSpec, ModelEntry, Resources, TaskEntry
from vhb_shared.registry.registry import Registry
from vhb_shared.schemas import json_schemas

SECRET = "sk-0123456789abcdef"


async def test_the_schema_is_the_one_of_the_command(api: Interface) -> None:
    assert await api.get("/schemas/job", token=api.token("viewer")) == json_schemas()["job"]
    assert (await api.ask("GET", "/schemas/jobs")).status == 404


async def test_an_old_job_is_a_file_that_can_be_handed_in_again(api: Interface) -> None:
    known = Registry.load(None).resolve_model(ModelEntry(name="rapidocr"))
    other = ModelEntry(
        name="mine",
        backend="vllm",
        resources=Resources(gpus=1),
        env={"OMP_NUM_THREADS": "2"},
        generation=Generation(extra={"api_key": SECRET}),
    )
    remote = ModelEntry(name="remote", backend="openai", base_url="http://127.0.0.1:9/v1", api_key_env="MINE_KEY")
    task = TaskEntry(
        name="read",
        dataset=f"sha256:{api.told.dataset.digest}",
        prompt="Basic information:\nread it: {{ question }}",
        metrics=(MetricSpec(name="cer"), MetricSpec(name="anls", profile="vlmevalkit")),
        corruptions=(Corruption(kind="blur"),),
    )
    spec = JobSpec(name="Old one", models=(known, other, remote), tasks=(task,), shard_size=2)
    state = await api.told.submit("old", spec)
    assert state.status == "running", state
    said = await api.ask("GET", "/jobs/old/job-file", token=api.token("viewer"))
    assert said.status == 200 and said.headers["Content-Type"].startswith("application/yaml"), said
    text = said.body.decode()
    assert SECRET not in text
    assert "Left out, because it looks like a secret: models[1].generation.extra.api_key" in text
    written = yaml.safe_load(text)
    assert written["models"][0] == "rapidocr"
    assert written["models"][1]["env"] == {"OMP_NUM_THREADS": "2"}
    assert written["models"][2]["api_key_env"] == "MINE_KEY"
    assert written["tasks"] == [
        {
            "name": "read",
            "dataset": task.dataset,
            "prompt": task.prompt,
            "metrics": ["cer", {"name": "anls", "profile": "vlmevalkit"}],
            "corruptions": [{"kind": "blur"}],
        }
    ]
    again = await api.ask("POST", "/jobs/validate", data=said.body, headers={"Content-Type": "application/yaml"})
    assert again.status == 200 and again.json["tasks"] == ["read"], again
    assert (await api.ask("GET", "/jobs/none/job-file")).status == 404
