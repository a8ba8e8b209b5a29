"""The built-in entries: what their adapters say of them, and whether their figures follow from what they say."""

import math
import re

import pytest

from vhb_inference_agent.backends.registry import backend_adapter
from vhb_shared.registry.folder import FolderSource
from vhb_shared.registry.registry import BUILT_IN

ENTRIES = {name: known.entry for name, known in FolderSource(BUILT_IN).load().models.items()}
ON_GPUS = sorted(name for name, entry in ENTRIES.items() if entry.resources.gpus)
RULE = re.compile(r"Memory: (\d+) billion parameters \(the hub's rounded figure\) x 2 bytes, and a quarter of that")


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_its_adapter_takes_it(name: str) -> None:
    entry = ENTRIES[name]
    assert entry.description
    assert backend_adapter(entry.backend).validate(entry) == []


@pytest.mark.parametrize("name", ON_GPUS)
def test_its_memory_is_what_its_description_says(name: str) -> None:
    entry = ENTRIES[name]
    found = RULE.search(entry.description or "")
    assert found is not None
    weights = int(found[1]) * 2e9 / 2**30
    assert entry.resources.gpu_memory_gib == math.ceil((weights + max(4, weights / 4)) / entry.resources.gpus)
    assert any(f"model card of {entry.model}" in source for source in entry.sources)


def test_eight_families_are_there() -> None:
    makers = {ENTRIES[name].served_model.partition("/")[0] for name in ON_GPUS}
    assert len(makers) >= 8


def test_code_of_others_is_run_only_where_the_description_says_so() -> None:
    trusting = {name for name, entry in ENTRIES.items() if entry.engine_args.get("trust-remote-code")}
    saying = {name for name, entry in ENTRIES.items() if "code of its own, which it runs" in (entry.description or "")}
    assert trusting == saying
    gated = {name for name, entry in ENTRIES.items() if "HF_TOKEN" in entry.pass_env}
    assert gated == {name for name, entry in ENTRIES.items() if "Gated" in (entry.description or "")}
