"""What jobs can name, and what they named."""

from pathlib import Path

import yaml
from interface import Interface


async def test_entries_say_what_they_are(api: Interface) -> None:
    model = await api.get("/registries/models/rapidocr")
    assert yaml.safe_load(model["yaml"])["backend"] == "ocr" and model["metric"] is None
    metric = (await api.get("/registries/metrics/cer"))["metric"]
    assert (metric["direction"], metric["version"], metric["pooled"]) == ("lower", "1", True)
    assert "character error rate" in metric["summary"] and "Unicode" in metric["details"]
    judge = (await api.get("/registries/metrics/judge"))["metric"]
    options = {option["name"]: option for option in judge["options"]}
    assert options["highest"]["default"] == "5" and "scale" in options["highest"]["description"]
    assert (await api.ask("GET", "/registries/metrics/nothing")).status == 404


async def test_who_looks_does_not_see_what_models_log_in_with(api: Interface, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "registry" / "models"
    folder.mkdir(parents=True)
    entry = {"name": "guarded", "backend": "openai", "base_url": "https://me:pass-word@models.example/v1",
             "env": {"HF_TOKEN": "very-secret", "TZ": "UTC"}}  # fmt: skip
    (folder / "guarded.yaml").write_text(yaml.safe_dump(entry))
    viewer = api.token("viewer")
    for path in ("/registries/models", "/registries/models/guarded"):
        said = await api.ask("GET", path, token=viewer)
        assert said.status == 200
        assert b"very-secret" not in said.body and b"pass-word" not in said.body
    assert said.json["entry"]["env"] == {"HF_TOKEN": "***", "TZ": "UTC"}


async def test_data_sets_that_jobs_used_are_listed_in_pages(api: Interface) -> None:
    await api.told.complete("one", models=2)
    await api.until("one", "completed")
    (found,) = (await api.get("/datasets?limit=1"))["items"]
    assert found["digest"] == api.told.dataset.digest and found["runs"] == 2
    page = await api.get("/datasets?limit=1")
    assert page["next"] is None
    described = await api.get(f"/datasets/{found['digest']}")
    assert described["description"]["samples"] == 6
