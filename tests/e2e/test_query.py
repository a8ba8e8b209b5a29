"""`vhb query` on results that the services made."""

import json
from pathlib import Path
from typing import Any

import pytest
from person import remote, vhb, write_csv, write_job

from vhb_shared.testing.endpoint_process import EndpointProcess

pytestmark = pytest.mark.slow


def asked(place: Path, *arguments: str) -> list[dict[str, Any]]:
    found = json.loads(vhb("query", *arguments, "--json", cwd=place).stdout)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def test_questions_over_two_jobs(place: Path, endpoint: EndpointProcess) -> None:
    ids = []
    for name, model, wrong in (("first", "queried", 2), ("second", "queried", 4), ("third", "other", 1)):
        rows = [[str(n), "нет" if n < wrong else f"ответ {n}"] for n in range(6)]
        answers = write_csv(place / "query" / f"{name}.csv", ("id", "model_answer"), rows)
        done = vhb("evaluate", answers, "--dataset", place / "few", "--model", model, "-m", "exact_match,cer",
                   "--out", place / "query" / name, cwd=place)  # fmt: skip
        ids.append(done.stdout.strip().splitlines()[0])
    task = {"name": "ask", "dataset": str(place / "few"), "prompt": "{{ question }}", "metrics": ["exact_match"]}
    job = write_job(place / "query" / "measured.yaml", [remote(endpoint.base_url)], [task])
    measured = vhb("submit", job, "--wait", cwd=place).stdout.strip()
    jobs = [argument for job_id in ids for argument in ("--job", job_id)]

    board = asked(place, "--saved", "leaderboard", "-p", "metric=exact_match", *jobs)
    assert [(row["place"], row["job_id"]) for row in board] == [(1, ids[2]), (2, ids[0]), (3, ids[1])]
    assert [row["value"] for row in board] == [pytest.approx(each / 6) for each in (5, 4, 2)]
    (drift,) = asked(place, "--saved", "drift", "--baseline", ids[0], "-p", "metric=exact_match", *jobs)
    assert (drift["job_id"], drift["worse"], drift["data_changed"]) == (ids[1], True, False)
    assert drift["drift"] == pytest.approx(-2 / 6) and drift["equal_answers"] == pytest.approx(4 / 6)
    assert len(asked(place, "--saved", "by-class", "-p", "level=by_doc_type", *jobs)) == 3 * 2 * 2
    hardest = asked(place, "--saved", "hardest", "-p", "metric=exact_match", "-p", "top=3", "--job", ids[0])
    assert [(row["id"], row["mean"]) for row in hardest] == [("0", 0.0), ("1", 0.0), ("2", 1.0)]
    assert asked(place, "--saved", "history", "-p", "metric=cer", "-p", "model=queried", *jobs)[1]["change"] > 0
    (pair,) = asked(place, "--saved", "agreement", "-p", "metric=exact_match", *jobs)
    # The later run of `queried` and that of `other`: wrong at 0 to 3, and at 0.
    assert (pair["one"], pair["other"], pair["n"]) == ("other", "queried", 6)
    assert pair["equal_scores"] == pair["equal_answers"] == pytest.approx(3 / 6)

    (speed,) = asked(place, "--saved", "trade-offs", "--job", measured)
    assert speed["model"] == "remote" and speed["latency_ms_p50"] > 0 and speed["best_at_its_speed"]
    (run,) = asked(place, "SELECT * FROM runs", "--job", measured)
    assert (run["status"], run["samples"], run["answered"], run["backend"]) == ("completed", 6, 6, "openai")
    (same,) = asked(
        place, "SELECT m.value, s.mean, m.higher_is_better FROM metrics m JOIN (SELECT run_id, metric, "
        "avg(value) AS mean FROM scores GROUP BY ALL) s USING (run_id, metric) "
        "WHERE level = 'general' AND metric = 'exact_match'",
        "--job", ids[1],
    )  # fmt: skip
    assert same["value"] == pytest.approx(same["mean"]) and same["higher_is_better"] is True
    assert {row["job_id"] for row in asked(place, "SELECT DISTINCT job_id FROM answers")} >= {*ids, measured}
