"""`vlm_base.csv` of the earlier tool, and what its frameworks and model names mean here."""

from dataclasses import dataclass
from pathlib import Path

from vhb_shared.contracts.job import ModelEntry
from vhb_shared.datasets.table import nearest, read_table
from vhb_shared.errors import UserError

MODELS_CSV = "vlm_base.csv"
_COLUMNS = (
    "framework",
    "model_family",
    "model_name",
    "docker_image",
    "git_python_package",
    "python_package",
    "module",
    "class_name",
)
_BACKENDS = {"hugging face": "transformers", "huggingface": "transformers", "hf": "transformers"}
_IMAGE_BACKENDS = ("vllm", "sglang")
"""Whose images serve the OpenAI protocol; images of the other frameworks held the earlier tool's own loop."""
_ORGANISATIONS = {
    "qwen": "Qwen",
    "internvl": "OpenGVLab",
    "minicpm": "openbmb",
    "deepseek-vl": "deepseek-ai",
    "phi-": "microsoft",
    "smolvlm": "HuggingFaceTB",
    "idefics": "HuggingFaceM4",
    "llava": "llava-hf",
    "gemma": "google",
    "paligemma": "google",
    "pixtral": "mistralai",
    "granite": "ibm-granite",
}
"""Beginnings of model names (lower case) whose organisation the earlier tool added in code."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One row of vlm_base.csv."""

    backend: str
    model_name: str
    docker_image: str | None
    origin: str
    """The columns that have no meaning here, kept for the record."""


def backend_of(framework: str) -> str:
    """The backend that a framework of the earlier tool names; the name of a backend stays as it is."""
    lower = framework.strip().lower()
    return _BACKENDS.get(lower, lower)


def hub_name(model_name: str) -> str:
    """A model's name on the hub: with its organisation, where it lacks one that is known."""
    if "/" in model_name:
        return model_name
    lower = model_name.lower()
    matches = [start for start in _ORGANISATIONS if lower.startswith(start)]
    return f"{_ORGANISATIONS[max(matches, key=len)]}/{model_name}" if matches else model_name


def read_models_csv(path: Path) -> dict[tuple[str, str], KnownModel]:
    """The models by (backend, model name).

    Raises:
        UserError: not readable, a column missing, a broken row.
    """
    models: dict[tuple[str, str], KnownModel] = {}
    for row in read_table(path, columns=_COLUMNS, required=("framework", "model_name")):
        if row.problem is not None:
            raise UserError(f"{path}, line {row.line}: {row.problem}; mend the row")
        cells = {name: cell.strip() for name, cell in row.cells.items()}
        kept = ("model_family", "docker_image", "git_python_package", "python_package", "module", "class_name")
        origin = ", ".join(f"{name} {cells[name]}" for name in kept if cells.get(name))
        backend = backend_of(cells["framework"])
        model = KnownModel(backend, cells["model_name"], cells.get("docker_image") or None, origin)
        models.setdefault((backend, model.model_name), model)
    return models


def model_entry(
    framework: str,
    model_name: str,
    catalogue: dict[tuple[str, str], KnownModel],
    registered: frozenset[str] | None,
    docker_image: str | None = None,
) -> ModelEntry:
    """The model of a row: from vlm_base.csv, else a reference to the registry.

    Args:
        framework: as written; may be empty, then the registry decides.
        model_name: as written.
        catalogue: of `read_models_csv`.
        registered: names in the model registry; None leaves the check to the scheduler.
        docker_image: of the row itself (older files).

    Raises:
        UserError: neither holds the model.
    """
    backend = backend_of(framework)
    name = model_name.rsplit("/", 1)[-1]
    known = catalogue.get((backend, model_name))
    if known is not None:
        image = docker_image or known.docker_image
        return ModelEntry(
            name=name,
            backend=backend,
            model=hub_name(model_name),
            image=image if backend in _IMAGE_BACKENDS else None,
            description=f"{MODELS_CSV}: {known.origin}" if known.origin else None,
        )
    if registered is not None and model_name not in registered:
        names = (*(model for _, model in catalogue), *registered)
        elsewhere = sorted(other for other, model in catalogue if model == model_name)
        hint = f"; it is there for {elsewhere[0]}" if elsewhere else nearest(model_name, names)
        raise UserError(
            f'expected a model of {MODELS_CSV} (with framework "{framework}") or of the model registry, '
            f'found "{model_name}"{hint}'
        )
    return ModelEntry(name=name, backend=backend or None, model=model_name if name != model_name else None)
