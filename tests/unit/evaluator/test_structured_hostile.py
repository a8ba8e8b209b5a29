"""Answers meant to hurt: whatever a model writes, a structured metric scores it, in bounded time, and never crashes."""

import json
import time

import pytest

from vhb_evaluator.metrics.json_answers import MAX_DEPTH, MAX_VALUES, Unreadable, read_json
from vhb_evaluator.scoring import score
from vhb_shared.contracts.job import MetricSpec

TABLE = "<table><tr><td>a</td><td>b</td></tr></table>"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
METRICS = {
    "field_f1": ('{"a": "x"}', {}),
    "field_accuracy": ('{"a": "x"}', {}),
    "item_count_accuracy": ('{"a": [{"b": "x"}]}', {}),
    "anls_star": ('{"a": ["x", "y"]}', {}),
    "teds": (TABLE, {}),
    "teds_s": (TABLE, {}),
    "structural_fidelity": ("", {"schema": SCHEMA}),
    "kendall_tau": ("[0, 1, 2]", {}),
    "spearman_rho": ("[0, 1, 2]", {}),
    "positional_accuracy": ("[0, 1, 2]", {}),
    "iou": ("[0, 0, 9, 9]", {}),
    "iou_accuracy": ("[0, 0, 9, 9]", {}),
}
HOSTILE = {
    "10 MB": "x" * 10_000_000,
    "1 MB of brackets": "[]" * 500_000,
    "1 MB of open brackets": "{" * 1_000_000,
    "1 MB of quotes": '"' * 1_000_000,
    "1 MB of fences": "```\n" * 250_000,
    "1 MB of table rows": "<table>" + "<tr><td>a</td></tr>" * 50_000,
    "1 MB of pipes": "|" * 1_000_000,
    "1 MB of Markdown rows": "|a|\n|-|\n" + "|b|\n" * 250_000,
    "1 MB of rules": "|-|\n" * 250_000,
    "NUL": "\x00",
    "NUL in JSON": '{"a\x00": "x\x00"}',
    "an escaped NUL": '{"a": "\\u0000"}',
    "half a surrogate pair": '{"a": "\\ud800", "\\udfff": 1}',
    "nested 100,000 deep": "[" * 100_000 + "]" * 100_000,
    "objects nested 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "tables nested 10,000 deep": "<table><tr><td>" * 10_000,
    "elements nested 100,000 deep": "<table>" + "<b>" * 100_000,
    "a key twice": '{"a": "x", "a": "x"}',
    "NaN": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "a number beyond all bounds": '{"a": 1e999}',
    "a number of 10,000 digits": '{"a": ' + "9" * 10_000 + "}",
    "200,000 values": json.dumps(list(range(200_000))),
    "50,000 fields": json.dumps({str(n): n for n in range(50_000)}),
    "5,000 items": json.dumps({"a": [{"b": str(n)} for n in range(5_000)]}),
    "lists in lists": json.dumps([[[[["x"] * 4] * 4] * 4] * 4] * 4),
    "entities that grow": '<!DOCTYPE x [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]><table><tr><td>&b;</td></tr></table>',
    "a file": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><table><tr><td>&a;</td></tr></table>',
    "a script": "<table><script>alert(1)</script><tr><td onclick='x()'>a</td></tr></table>",
    "a span beyond all bounds": '<table><tr><td colspan="99999999999999999999" rowspan="-1">a</td></tr></table>',
    "code": "__import__('os').system('true')",
    "odd characters": "\ufeff\u202e\uffff\U0010ffff{}",
    "numbers in brackets": "[99999999999999999999, 1e300, -1, 0]",
    "pages beyond all bounds": '{"ordered_pages": [1e5, 2, 999999999999999999999]}',
    "a list in itself": '{"ordered_pages": [[1], {"a": 2}, null, true]}',
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("hostile", HOSTILE)
def test_every_structured_metric_survives(make_samples, make_answers, hostile):
    references = list(dict.fromkeys(reference for reference, _ in METRICS.values()))
    for name, (reference, options) in METRICS.items():
        assert reference in references
        began = time.perf_counter()
        (row,) = score(
            make_samples([[reference]]),
            make_answers([(0, HOSTILE[hostile], "answered")]),
            (MetricSpec(name=name, options=options),),
        ).to_dicts()
        assert row["status"] in ("scored", "unparsable"), (name, row["detail"])
        assert time.perf_counter() - began < 60, name
        assert row["detail"] is None or len(row["detail"]) < 200_000
        if row["detail"] is not None:
            json.loads(row["detail"])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("no json", "no JSON object or list"),
        ("", "no JSON object or list"),
        ('"a"', "no JSON object or list"),
        ('{"a": 1', "not closed"),
        ('{"a": [{"b": 1}, {"c": ', "not closed"),
        ('{"a": 1]', "not closed"),
        ('{"a": 1,}', "malformed"),
        ("{'a': 1}", "malformed"),
        ('{"a": "x", "a": "y"}', "there twice"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1e999}', "beyond all bounds"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} deep"),
        ("[" + "1," * MAX_VALUES + "1]", f"more than {MAX_VALUES} values"),
        ('```json\n{"a": 1,}\n```\nor {"b": 2}', "malformed"),
    ],
)
def test_what_cannot_be_read_says_why(answer, reason):
    with pytest.raises(Unreadable, match=reason):
        read_json(answer)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ("  [1, 2]  ", [1, 2]),
        ('see [1]: {"a": 1}', {"a": 1}),
        ("see [1]: [2, 3]", [1]),
        ('[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        ('{"a": "}]"}', {"a": "}]"}),
        ('{"a": "\\"}"}', {"a": '"}'}),
        ('```\n{"a": "```"}\n```', {"a": "```"}),
        ('```python\nprint()\n```\n{"a": 1}', {"a": 1}),
        ('{not json} {"a": 1}', {"a": 1}),
        ("{" + '"a":{' * (MAX_DEPTH - 1) + "}" * MAX_DEPTH, None),
    ],
)
def test_what_can_be_read(answer, found):
    assert found is None or read_json(answer) == found
    read_json(answer)
