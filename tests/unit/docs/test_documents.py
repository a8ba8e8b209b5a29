"""The documents name what there is: links, commands, settings, events, metrics, columns, keys."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings
from typer.main import get_command

from vhb.main import app
from vhb_api.settings import ApiSettings
from vhb_evaluator.metrics.registry import metric_class, metric_names
from vhb_evaluator.normalisation import PROFILES
from vhb_evaluator.settings import EvaluatorSettings
from vhb_inference_agent.settings import AgentSettings
from vhb_shared.analytics.saved import saved_queries
from vhb_shared.analytics.tables import TABLES
from vhb_shared.contracts import topology
from vhb_shared.contracts.events import EVENTS
from vhb_shared.contracts.job import JobSpec, ModelEntry, TaskEntry
from vhb_shared.contracts.results import ANSWERS_CSV_COLUMNS, METRIC_COLUMNS, OUTCOMES
from vhb_shared.environments.docker.settings import DockerSettings
from vhb_shared.settings import BusSettings, LogSettings, RegistrySettings, SourceSettings, StoreSettings

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {link}"


def test_every_command_is_described() -> None:
    page = _page("cli.md")
    for name in get_command(app).commands:
        assert re.search(rf"\b{name}\b", page), name


@pytest.mark.parametrize(
    ("page", "kinds"),
    [
        (
            "operations.md",
            (
                BusSettings,
                StoreSettings,
                SourceSettings,
                RegistrySettings,
                LogSettings,
                AgentSettings,
                EvaluatorSettings,
            ),
        ),
        ("environments.md", (DockerSettings,)),
        ("api.md", (ApiSettings,)),
    ],
)
def test_every_setting_is_described_and_no_other(page: str, kinds: tuple[type[BaseSettings], ...]) -> None:
    described = set(re.findall(r"`(VHB_[A-Z0-9_]+)`", "".join(re.findall(r"^\| `VHB_.*", _page(page), re.M))))
    there = {f"{kind.model_config['env_prefix']}{name}".upper() for kind in kinds for name in kind.model_fields}
    assert described == there


def test_every_event_is_described_with_its_fields() -> None:
    page = _page("events.md")
    described = re.findall(r"^\| `((?:job|run|backend|comparison)\.[a-z.]+)` \|", page, re.M)
    assert sorted(described) == sorted(event.what for event in EVENTS)
    for event in EVENTS:
        assert f"| `{event.what}` |" in page, event.what
        for field in event.model_fields:
            assert re.search(rf"\b{field}\b", page), f"{event.what}: {field}"


def test_streams_and_buckets_are_described() -> None:
    page = _page("architecture.md")
    for name in [*(stream.name for stream in topology.STREAMS), *(bucket.name for bucket in topology.BUCKETS)]:
        assert f"`{name}`" in page, name


def test_metrics_and_profiles_are_described() -> None:
    page = _page("metrics.md")
    for name in metric_names():
        if metric_class(name).__module__.startswith("vhb_evaluator."):
            row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
            assert f"| {metric_class(name).direction} | `{metric_class(name).normalisation}` |" in row
    for profile in PROFILES:
        assert f"| `{profile}` |" in page, profile


def test_columns_and_outcomes_are_described() -> None:
    page = _page("results.md")
    for name in (*ANSWERS_CSV_COLUMNS, *METRIC_COLUMNS, *OUTCOMES):
        assert f"`{name}`" in page, name


@pytest.mark.parametrize("model", [JobSpec, ModelEntry, TaskEntry], ids=lambda model: model.__name__)
def test_keys_of_the_job_file_are_described(model: type[JobSpec] | type[ModelEntry] | type[TaskEntry]) -> None:
    page = _page("job-file.md")
    for key in set(model.model_fields) - {"description"}:
        assert re.search(rf"^\|.*`{key}`.*\|", page, re.M), key


def test_every_saved_query_and_table_is_described() -> None:
    page = _page("analytics.md")
    for name in (*(query.name for query in saved_queries()), *TABLES):
        assert f"| `{name}` |" in page, name
