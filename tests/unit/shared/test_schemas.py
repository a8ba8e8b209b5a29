"""Generated schemas: valid, honest about what is accepted, and checked for drift."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from vhb_shared.contracts import subjects, topology
from vhb_shared.contracts.events import EVENTS, RunShardCompleted
from vhb_shared.contracts.results import OutcomeCounts
from vhb_shared.schemas import json_schemas
from vhb_shared.schemas.__main__ import differing, main
from vhb_shared.schemas.asyncapi import asyncapi_document

JOB = """
name: invoices
models:
  - rapidocr
  - {name: remote, backend: openai, model: m, base_url: "http://127.0.0.1:8000/v1", concurrency: 32,
     generation: {temperature: 0, seed: 0, extra: {}}}
tasks:
  - name: read-page
    dataset: ./documents
    response_schema: ./invoice.schema.json
    metrics: [cer, {name: anls, normalisation: text-lower}]
    filter: {doc_class: invoice}
stages: [inference, evaluation, reporting]
"""


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_schemas_are_schemas(name: str) -> None:
    schema = json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:vlmhyperbench:{name}:v1"


def test_the_job_schema_takes_what_the_documentation_shows() -> None:
    validator = jsonschema.Draft202012Validator(json_schemas()["job"])
    job: dict[str, Any] = yaml.safe_load(JOB)
    validator.validate(job)
    for wrong in ({"modles": []}, {"stages": ["x"]}, {"models": [{"nam": "x"}]}, {"shard_size": 0}):
        assert not validator.is_valid(job | wrong), wrong


def test_fields_are_described() -> None:
    definition = json_schemas()["job"]["$defs"]["ModelEntry"]
    assert definition["properties"]["api_key_env"]["description"].endswith("never a key.")
    assert definition["description"].startswith("One model as a registry entry or inline in a job.")


def test_an_event_is_what_its_schema_says() -> None:
    event = RunShardCompleted(
        job_id="j", run_id="j-0", name="m__t", shard=0, attempt=0, token="abc", part_key="k", sha256="0",
        counts=OutcomeCounts(answered=1), seconds=1, agent_id="a",
    )  # fmt: skip
    jsonschema.validate(event.model_dump(mode="json"), json_schemas()["run.shard.completed"])


def test_every_event_command_and_consumer_is_in_the_asyncapi_document() -> None:
    document = asyncapi_document()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {subjects.event("{job_id}", event.what) for event in EVENTS} <= addresses
    assert {subjects.SUBMIT, subjects.CANCEL, subjects.RETRY} <= addresses
    assert subjects.inference("{backend_id}", "{run_id}", "{shard}") in addresses  # type: ignore[arg-type]
    assert subjects.dlq("{stream}", "{consumer}") in addresses
    durables = {
        operation["x-jetstream"]["durable"]
        for operation in document["operations"].values()
        if "x-jetstream" in operation
    }
    internal = {topology.SCHEDULER_ADVISORIES.durable}
    assert {consumer.durable for consumer in topology.CONSUMERS} - internal <= durables
    assert "at least once" in document["info"]["description"]
    assert set(document["x-jetstream"]["streams"]) == {stream.name for stream in topology.STREAMS}


def test_references_of_the_asyncapi_document_lead_somewhere() -> None:
    document = asyncapi_document()

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                target: Any = document
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)


def test_drift_is_found_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "schemas"
    assert main(["--dir", str(folder)]) == 0
    assert main(["--dir", str(folder), "--check"]) == 0
    job = json.loads((folder / "job.json").read_text())
    job["title"] = "changed"
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "job.accepted.json").unlink()
    (folder / "gone.json").write_text("{}")
    assert differing(folder) == ["gone.json", "job.accepted.json", "job.json"]
    assert main(["--dir", str(folder), "--check"]) == 1
    assert "job.accepted.json differs" in capsys.readouterr().err
    assert main(["--dir", str(folder)]) == 0
    assert differing(folder) == []
