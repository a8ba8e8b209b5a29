"""Whether an answer keeps to a JSON Schema."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import polars as pl
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import Field
from referencing import Registry
from referencing.exceptions import Unresolvable

from vhb_evaluator.metrics.base import MetricOptions
from vhb_evaluator.metrics.json_answers import Unreadable, read_json
from vhb_evaluator.metrics.structured import StructuredMetric, Verdict
from vhb_shared.errors import UserError

_LONGEST = 300


class StructuralFidelityOptions(MetricOptions):
    """What a job may set."""

    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    """JSON Schema that answers must keep to; without it the task's `response_schema`."""


class StructuralFidelity(StructuredMetric):
    """1 if the JSON in the answer validates against the schema, else 0. An answer without readable JSON is unparsable.

    The schema is the option `schema`, else the task's `response_schema`, in the draft that its `$schema` names (2020-12
    without one). `$ref` reaches inside the schema only: nothing is fetched. No reference is needed. `detail` says the
    first place where the answer breaks it.

    As `gate: structural_fidelity` of another metric it lets answers that validate through; the others are scored as
    empty ones.
    """

    name = "structural_fidelity"
    summary = "share of answers that validate against the JSON Schema"
    direction = "higher"
    source = "JSON Schema (json-schema.org), as the library jsonschema validates it"
    needs = ("text", "schema")
    options_type = StructuralFidelityOptions
    extremes = (0.0, 1.0)
    gates = True

    def check(self) -> None:
        """See `Metric.check`."""
        schema = self._schema
        if schema is None:
            raise UserError(
                f"metric {self.name!r} needs a JSON Schema: give the task a `response_schema`, or the metric "
                "`options: {schema: ...}`"
            )
        if isinstance(schema, str):
            return  # a file that is read, and checked, before the job is sent
        try:
            validator_for(schema, default=Draft202012Validator).check_schema(schema)
        except SchemaError as error:
            place = ".".join(map(str, error.absolute_path)) or "its root"
            raise UserError(f"the schema of metric {self.name!r} is not a JSON Schema: at {place}, {error.message}") \
                from error  # fmt: skip

    def comparable(self) -> pl.Expr:
        """See `Metric.comparable`: every answer."""
        return pl.lit(True)

    def verdicts(self, pairs: pl.DataFrame) -> Iterator[Verdict]:
        """See `StructuredMetric.verdicts`."""
        for answer in pairs["raw_answer"]:
            try:
                problem = self._problem(read_json(answer))
            except Unreadable as error:
                yield Verdict(0.0, unparsable=True, detail={"unparsable": str(error)})
                continue
            yield Verdict(1.0) if problem is None else Verdict(0.0, detail=problem)

    @property
    def _schema(self) -> str | dict[str, Any] | None:
        assert isinstance(self.options, StructuralFidelityOptions)
        return self.options.json_schema if self.options.json_schema is not None else self.context.response_schema

    @cached_property
    def _validator(self) -> Validator:
        schema = self._schema
        assert isinstance(schema, dict)
        kind = validator_for(schema, default=Draft202012Validator)
        # A registry without a way to fetch: a reference that leaves the schema cannot be resolved.
        return kind(schema, registry=Registry())

    def _problem(self, value: Any) -> dict[str, str] | None:
        try:
            error = next(self._validator.iter_errors(value), None)
        except Unresolvable as missing:
            raise UserError(
                f"the schema refers to {str(missing.ref)[:_LONGEST]!r}, which is not in it; nothing is fetched: put it "
                "under `$defs`"
            ) from missing
        except (OverflowError, RecursionError) as beyond:  # a number or a nesting that no rule can be applied to
            return {"invalid": str(beyond)[:_LONGEST], "at": ""}
        if error is None:
            return None
        return {"invalid": error.message[:_LONGEST], "at": ".".join(map(str, error.absolute_path))[:_LONGEST]}
