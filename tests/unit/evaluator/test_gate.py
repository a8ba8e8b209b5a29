"""The schema of the task: what validates against it, and what is let through to other metrics."""

import http.server
import json
import threading

import pytest

from vhb_evaluator.aggregation import aggregate
from vhb_evaluator.errors import EvaluationFailed
from vhb_evaluator.metrics.context import MetricContext
from vhb_evaluator.metrics.registry import bind, higher_is_better
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec
from vhb_shared.errors import UserError

SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
GATED = {"name": "cer", "gate": "structural_fidelity"}


async def test_a_task_with_a_schema(bench, tmp_path, make_samples, make_answers):
    references = ['{"a": "xy"}'] * 5
    await bench.start(
        tmp_path,
        make_samples([[reference] for reference in references]),
        shard_size=5,
        metrics=["cer", GATED, "structural_fidelity", {"name": "field_f1", "gate": "structural_fidelity"}],
        response_schema=SCHEMA,
    )
    said = ['{"a": "xy"}', '{"a": "xz"}', '{"a": 7}', '{"a": "xy"', None]
    answers = [(place, text, "failed" if text is None else "answered") for place, text in enumerate(said)]
    event = await bench.commit(tmp_path, 0, make_answers(answers))
    await bench.handlers.on_shard_completed(event)
    done = await bench.handlers.evaluate_run(bench.completed())
    cer, gated, fidelity, fields = done.metrics
    assert [each.metric for each in done.metrics] == [
        "cer", "cer(gate=structural_fidelity)", "structural_fidelity", "field_f1(gate=structural_fidelity)",
    ]  # fmt: skip
    assert cer.value == pytest.approx((0 + 1 + 4 + 1) / 44)
    assert gated.value == pytest.approx((0 + 1 + 11 + 11) / 44)
    assert gated.value_if_failed_worst == pytest.approx((0 + 1 + 11 + 11 + 11) / 55)
    assert gated.value_if_failed_best == pytest.approx((0 + 1 + 11 + 11 + 0) / 55)
    assert (fidelity.value, fidelity.n_scored, fidelity.n_failed) == (0.5, 4, 1)
    assert (fidelity.value_if_failed_worst, fidelity.value_if_failed_best) == (0.4, 0.6)
    assert fields.value == pytest.approx(1 / (1 + 1 + 0.5 + 0.5))
    assert not gated.higher_is_better and fields.higher_is_better
    scores = await bench.table("scores.parquet")
    rows = scores.filter(metric=gated.metric)
    assert rows["status"].to_list() == ["scored", "scored", "unparsable", "unparsable", "failed"]
    assert rows["detail"].to_list() == [None, None, '{"gated":true}', '{"gated":true}', None]
    reasons = [json.loads(each) if each else None for each in scores.filter(metric="structural_fidelity")["detail"]]
    assert reasons[:2] == [None, None]
    assert reasons[2] == {"invalid": "7 is not of type 'string'", "at": "a"}
    assert "not closed" in reasons[3]["unparsable"]


def test_the_option_comes_before_the_tasks_schema(make_samples, make_answers):
    samples, answers = make_samples([[]]), make_answers([(0, "[1]", "answered")])
    context = MetricContext(response_schema={"type": "object"})
    specs = (
        MetricSpec(name="structural_fidelity"),
        MetricSpec(name="structural_fidelity", options={"schema": {"type": "array"}}),
    )
    table = score(samples, answers, specs, context)
    assert table["value"].to_list() == [0, 1]
    assert table["metric"].to_list() == ["structural_fidelity", 'structural_fidelity{"schema":{"type":"array"}}']


def test_a_schema_that_is_still_a_file_can_be_validated():
    bind(MetricSpec.model_validate(GATED), MetricContext(response_schema="invoice.schema.json"))
    with pytest.raises(UserError, match="give the task a `response_schema`"):
        bind(MetricSpec.model_validate(GATED))


def test_nothing_is_fetched(make_samples, make_answers):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for reference in (f"http://127.0.0.1:{server.server_port}/schema.json", "file:///etc/passwd"):
            spec = MetricSpec(name="structural_fidelity", options={"schema": {"$ref": reference}})
            with pytest.raises(EvaluationFailed, match="nothing is fetched"):
                score(make_samples([[]]), make_answers([(0, "{}", "answered")]), (spec,))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_a_label_has_a_direction():
    spec = {"name": "cer", "normalisation": "text-lower", "gate": {"name": "structural_fidelity",
            "options": {"schema": {"type": "object", "description": "x" * 100}}}}  # fmt: skip
    label = bind(MetricSpec.model_validate(spec)).label
    assert label.startswith('cer@text-lower@1(gate=structural_fidelity{"schema":"#') and len(label) < 80
    assert not higher_is_better(label)


def test_a_gated_composite_metric_keeps_its_groups(make_samples, make_answers):
    # Options this long are a hash in the labels of other metrics; groups of this one are made from its label.
    classes = ["a", "b", *(f"a class with a rather long name, number {n}" for n in range(5))]
    options = {"classes": classes}
    specs = (
        MetricSpec(name="f1_macro", options=options),
        MetricSpec.model_validate({"name": "f1_macro", "options": options, "gate": {"name": "structural_fidelity",
                                   "options": {"schema": {"type": "array"}}}}),
    )  # fmt: skip
    samples = make_samples([["a"], ["b"]])
    table = score(samples, make_answers([(0, "a", "answered"), (1, "b", "answered")]), specs)
    assert table["status"].to_list() == ["scored", "unparsable"] * 2
    rows = aggregate(table, "run", "model", "task").filter(level="general")
    assert dict(rows.select("metric", "value").rows()) == {table["metric"][0]: 1, table["metric"][1]: 0}
    assert table["metric"][1].endswith('(gate=structural_fidelity{"schema":{"type":"array"}})')


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"multipleOf": 0.1}, f"[{'9' * 400}]"),
        ({"items": {"multipleOf": 1e-300}}, "[1e300]"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "[" * 99 + "]" * 99),
        ({"uniqueItems": True}, json.dumps(list(range(5000)))),
        ({"items": {"pattern": "^(a|b)*c"}}, json.dumps(["ab" * 30_000])),
    ],
)
def test_odd_schemas_and_answers_are_scored(make_samples, make_answers, schema, answer):
    spec = MetricSpec(name="structural_fidelity", options={"schema": schema})
    (row,) = score(make_samples([[]]), make_answers([(0, answer, "answered")]), (spec,)).to_dicts()
    assert row["value"] in (0, 1)
