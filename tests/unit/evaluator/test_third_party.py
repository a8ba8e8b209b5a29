"""A package of somebody else adds a metric through the entry point; a broken one hurts only who asks for it."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROJECT = """
[project]
name = "vowel-metric"
version = "1.2"
[project.entry-points."vhb.metrics"]
vowels = "vowel_metric:Vowels"
vowels_broken = "vowel_metric.broken:Missing"
vowels_other = "vowel_metric:NotAMetric"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
MODULE = """
import polars as pl
from vhb_evaluator.metrics.base import Metric


class Vowels(Metric):
    name = "vowels"
    version = "2"
    summary = "share of the reference's number of vowels"
    direction = "higher"
    source = "made for this test"
    normalisation = "text-lower@1"
    pooled = True

    def score(self, pairs: pl.DataFrame) -> pl.DataFrame:
        if pairs["answer"].str.contains("explode").any():
            raise RuntimeError("boom")
        return pairs.select(
            "row",
            pl.col("answer").str.count_matches("[aeiou]").cast(pl.Float64).alias("numerator"),
            pl.col("references").list.first().str.count_matches("[aeiou]").cast(pl.Float64).alias("denominator"),
        )


class NotAMetric:
    pass
"""
USE = """
import json, sys
import polars as pl
from vhb_evaluator.aggregation import aggregate, headlines
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.registry import metric_names
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.errors import UserError

samples = pl.DataFrame({"index": [0, 1], "id": ["0", "1"], "doc_class": ["a", "b"], "question_type": ["q", "q"],
                        "references": [["aeiou"], ["bab"]]})

def answers(first):
    return pl.DataFrame({"index": [0, 1], "id": ["0", "1"], "model_answer": [first, None],
                         "outcome": ["answered", "failed"]})

def use(first, name):
    try:
        rows = aggregate(score(samples, answers(first), (MetricSpec(name=name), MetricSpec(name="cer"))), "r", "m", "t")
        return [each.model_dump() for each in headlines(rows)]
    except (UserError, EvaluationFailed) as error:
        return f"{type(error).__name__}: {error}"

print(json.dumps({"names": metric_names(), "loaded": "vowel_metric" in sys.modules, "good": use("A E x", "vowels"),
                  "raises": use("explode", "vowels"), "broken": use("a", "vowels_broken"),
                  "other": use("a", "vowels_other"), "near": use("a", "vowel")}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("third-party")
    package, target = folder / "package", folder / "target"
    (package / "vowel_metric").mkdir(parents=True)
    (package / "pyproject.toml").write_text(PROJECT)
    (package / "vowel_metric" / "__init__.py").write_text(MODULE)
    (package / "vowel_metric" / "broken.py").write_text("import a_library_nobody_has\n")
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation",
         "--python", sys.executable, "--target", target, package],
        check=True, capture_output=True, timeout=100,
    )  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(target)}
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(USE)], env=env, capture_output=True, timeout=100)
    assert ran.returncode == 0, ran.stderr.decode()
    assert Path(target, "vowel_metric").is_dir()
    return json.loads(ran.stdout)


def test_an_installed_package_adds_a_metric(outcome):
    assert {"vowels", "cer", "anls"} <= set(outcome["names"])
    vowels, cer = outcome["good"]
    assert (vowels["metric"], vowels["value"], vowels["higher_is_better"]) == ("vowels", 0.4, True)
    assert (vowels["n"], vowels["n_failed"]) == (2, 1)
    assert vowels["value_if_failed_worst"] == pytest.approx(2 / 6)
    assert vowels["value_if_failed_best"] == pytest.approx(3 / 6)
    assert cer["metric"] == "cer"


def test_listing_metrics_imports_none(outcome):
    assert outcome["loaded"] is False


def test_what_it_raises_is_a_failure_that_names_it(outcome):
    assert outcome["raises"] == (
        "EvaluationFailed: metric 'vowels' of package vowel-metric 1.2 failed: RuntimeError: boom"
    )


def test_a_broken_one_is_told_when_it_is_asked_for(outcome):
    assert outcome["broken"].startswith(
        "UserError: metric 'vowels_broken' of package vowel-metric 1.2 cannot be used: importing "
        "vowel_metric.broken:Missing failed with ModuleNotFoundError: No module named 'a_library_nobody_has'"
    )
    assert "is not a subclass of" in outcome["other"]
    assert outcome["near"].startswith("UserError: unknown metric 'vowel': did you mean 'vowels'?")
