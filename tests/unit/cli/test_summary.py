"""The table that ends a job."""

import io

from rich.console import Console

from vhb.display import summary
from vhb_shared.contracts.results import MetricValue
from vhb_shared.contracts.state import JobState, RunState


def _shown(metric: MetricValue) -> str:
    run = RunState(
        run_id="j-0", job_id="j", name="a__b", model="a", task="b", backend_id="c", stages=(), stage="done",
        status="completed", samples=metric.n, shards=1, metrics=(metric,),
    )  # fmt: skip
    out = io.StringIO()
    summary(JobState(job_id="j", name="n", status="completed"), [run], Console(file=out, width=200))
    return out.getvalue()


def test_says_why_a_value_is_missing() -> None:
    text = _shown(MetricValue(metric="cer", value=None, n=4, n_scored=0, n_failed=1))
    assert "a__b: 3 of 4 samples were not scored: they have no reference" in text


def test_says_nothing_when_all_were_scored_or_failed() -> None:
    assert "not scored" not in _shown(MetricValue(metric="cer", value=0.5, n=4, n_scored=3, n_failed=1))
