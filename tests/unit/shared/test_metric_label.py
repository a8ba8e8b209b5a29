"""Names of metrics in tables can be written into job files."""

import pytest
from pydantic import ValidationError

from vhb_evaluator.metrics.registry import bind
from vhb_shared.contracts.job import MetricSpec, TaskEntry
from vhb_shared.contracts.metric_label import tabled


@pytest.mark.parametrize(
    "spec",
    [
        MetricSpec(name="cer"),
        MetricSpec(name="cer", normalisation="text-lower@1"),
        MetricSpec(name="anls", profile="vlmevalkit"),
        MetricSpec(name="anls", profile="vlmevalkit", normalisation="none@1"),
    ],
    ids=lambda spec: spec.name,
)
def test_a_label_is_read_back(spec: MetricSpec) -> None:
    label = bind(spec).label
    (read,) = TaskEntry(name="t", metrics=(label,)).metrics  # type: ignore[arg-type]
    assert read == spec and bind(read).label == label


def test_a_gate_is_read_back() -> None:
    (read,) = TaskEntry.model_validate({"name": "t", "metrics": ["cer@none@1(gate=structural_fidelity)"]}).metrics
    wanted = {"name": "cer", "normalisation": "none@1", "gate": "structural_fidelity"}
    assert read == MetricSpec.model_validate(wanted)


def test_options_are_json() -> None:
    task = TaskEntry.model_validate({"name": "t", "metrics": ['BLEU[x]@none{"order":2,"a":[1]}', {"name": "cer"}]})
    assert task.metrics == (
        MetricSpec(name="bleu", profile="x", normalisation="none", options={"order": 2, "a": [1]}),
        MetricSpec(name="cer"),
    )


@pytest.mark.parametrize("wrong", ["", "[x]", "cer[", "cer{", "cer]x", "cer{a}", "cer@", "cer(gate=)"])
def test_what_is_no_label_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"metric|not JSON"):
        TaskEntry.model_validate({"name": "t", "metrics": [wrong]})


@pytest.mark.parametrize(
    ("label", "normalisation", "expected"),
    [
        ("cer", "text@1", "cer"),
        ("cer@text-lower@1", "text-lower@1", "cer"),
        ("anls[vlmevalkit]@none@1", "none@1", "anls[vlmevalkit]"),
        ("cer@none@1(gate=structural_fidelity)", "none@1", "cer(gate=structural_fidelity)"),
        ("exact_match[pass@2]", "text@1", "exact_match[pass@2]"),
    ],
)
def test_a_column_of_its_own_says_the_normalisation(label: str, normalisation: str, expected: str) -> None:
    assert tabled(label, normalisation) == expected
