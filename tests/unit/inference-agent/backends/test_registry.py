import subprocess
import sys

import pytest

from vhb_inference_agent.backends import registry as backends
from vhb_shared.environments import registry as environments
from vhb_shared.errors import UserError


@pytest.mark.parametrize("name", backends.backend_names())
def test_every_backend_loads_under_its_name(name: str) -> None:
    adapter = backends.backend_adapter(name)
    assert adapter.name == name
    assert set(adapter.capabilities.environments) <= set(environments.environment_names())


@pytest.mark.parametrize("name", environments.environment_names())
def test_every_environment_loads_under_its_name(name: str) -> None:
    assert environments.environment_type(name).name == name


def test_an_unknown_name_is_a_users_mistake_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'openai'"):
        backends.backend_adapter("opena1")
    with pytest.raises(UserError, match="names no `backend`"):
        backends.backend_adapter(None)
    with pytest.raises(UserError, match="did you mean 'process'"):
        environments.environment_type("proces")


def test_validating_imports_nothing_heavy() -> None:
    """Job files are validated in the CLI, which must start fast."""
    code = (
        "import sys\n"
        "from vhb_inference_agent.backends.registry import backend_adapter\n"
        "from vhb_shared.contracts.job import ModelEntry\n"
        "for name in ('ocr', 'openai', 'vllm', 'sglang', 'transformers', 'image'):\n"
        "    backend_adapter(name).validate(ModelEntry(name='x', backend=name, base_url='http://h/v1'))\n"
        "heavy = {'openai', 'aiohttp', 'docker', 'uv', 'httpx', 'starlette', 'vhb_api_wrapper'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
