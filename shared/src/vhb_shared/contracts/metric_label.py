"""A metric as tables name it, read back: `cer`, `cer@text-lower@1`, `anls[vlmevalkit]`, `bleu{"order":2}`,
`cer(gate=structural_fidelity)`."""

import json
import re
from typing import Any

EPOCH_SD = "[epoch_sd]"
"""After a metric's label: the standard deviation of a group's value between epochs. A row of tables, of no sample."""

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
    fields = {key: value for key, value in found.groupdict().items() if value is not None}
    if "options" in fields:
        try:
            fields["options"] = json.loads(fields["options"])
        except ValueError:
            raise ValueError(f"{label!r}: its options are not JSON") from None
    return fields


def tabled(label: str, normalisation: str) -> str:
    """What the column `metric` of metrics.csv says: the label without its normalisation, which has its own column."""
    return label.replace(f"@{normalisation}", "", 1)
