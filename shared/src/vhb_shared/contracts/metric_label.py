"""A metric as tables name it, read back: `cer`, `cer@text-lower@1`, `anls[vlmevalkit]`, `bleu{"order":2}`,
`cer(gate=structural_fidelity)`, `judge{"models":["qwen3-vl-8b"]}`."""

import json
import re
from typing import Any

EPOCH_SD = "[epoch_sd]"
"""After a metric's label: the standard deviation of a group's value between epochs. A row of tables, of no sample."""

MODELS = "models"
"""Among the options in a label: names of the models that the metric asks."""

_LABEL = re.compile(
    r"(?P<name>[^@\[\]{}()]+)(\[(?P<profile>[^\]]+)\])?(@(?P<normalisation>[^{(]+))?"
    r"(?P<options>\{.*\})?(\(gate=(?P<gate>[^(){}]+)\))?"
)


def parse_label(label: str) -> dict[str, Any]:
    """The fields of a `MetricSpec`: the name, and what the label adds to it.

    Raises:
        ValueError: it is no label.
    """
    found = _LABEL.fullmatch(label.strip())
    if found is None:
        raise ValueError(f"{label!r} is no metric: expected a name, or name[profile]@normalisation")
    fields: dict[str, Any] = {key: value for key, value in found.groupdict().items() if value is not None}
    if "options" in fields:
        try:
            fields["options"] = json.loads(fields["options"])
        except ValueError:
            raise ValueError(f"{label!r}: its options are not JSON") from None
        if MODELS in fields["options"]:
            fields[MODELS] = fields["options"].pop(MODELS)
    return fields


def tabled(label: str, normalisation: str) -> str:
    """What the column `metric` of metrics.csv says: the label without its normalisation, which has its own column."""
    return label.replace(f"@{normalisation}", "", 1)
