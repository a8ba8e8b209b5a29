"""What is wrong with the parts of an entry that say where and how a backend runs. The same for all backends."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from vhb_shared.contracts.job import ModelEntry

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_SECRET = re.compile(r"(^|_)(TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)
# A reference as container engines take it: [host[:port]/]path[:tag][@algorithm:digest], or an image's ID.
_IMAGE = re.compile(
    r"^(?:(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?|sha256:[0-9a-f]{64})$"
)


def place_problems(model: ModelEntry, environ: Mapping[str, str] | None, *, images: bool) -> list[str]:
    """Sentences about `image`, `command`, `env`, `pass_env` and `mounts`; none when they are sound.

    Args:
        model: The entry.
        environ: The agent's variables, where they are known.
        images: Whether the environment it will run in runs images.
    """
    problems = _image_problems(model, images)
    problems += _variable_problems(model, environ)
    if any(not word.strip() for word in model.command):
        problems.append(f"Model {model.name}: `command` holds an empty word; remove it.")
    return problems + _mount_problems(model, images)


def _image_problems(model: ModelEntry, images: bool) -> list[str]:
    if model.image is None:
        return []
    if not images:
        return [f"Model {model.name}: `image` has no meaning in environment process; remove it, or use docker."]
    if not _IMAGE.match(model.image):
        return [
            f"Model {model.name}: `image: {model.image[:100]}` is no image; write one like name:tag or "
            "name@sha256:<64 digits>, the name in lower case."
        ]
    return []


def _variable_problems(model: ModelEntry, environ: Mapping[str, str] | None) -> list[str]:
    problems = []
    for name in model.env:
        if not _VARIABLE.match(name):
            problems.append(f"Model {model.name}: `env` names {name[:60]!r}, which is no variable's name; correct it.")
        elif _SECRET.search(name):
            problems.append(
                f"Model {model.name}: `env: {name}` looks like a secret, and entries are stored; set it where the "
                f"agent runs and write `pass_env: [{name}]`."
            )
        if name in model.pass_env:
            problems.append(f"Model {model.name}: {name} is in `env` and in `pass_env`; keep one.")
    if environ is not None:
        problems += [
            f"Model {model.name}: the variable {name} (`pass_env`) is not set where the agent runs; set it there."
            for name in model.pass_env
            if name not in environ
        ]
    return problems


def _mount_problems(model: ModelEntry, images: bool) -> list[str]:
    if model.mounts and not images:
        return [
            f"Model {model.name}: `mounts` have no meaning in environment process, which sees the host's files; "
            "remove them."
        ]
    problems = []
    targets: set[str] = set()
    for mount in model.mounts:
        source, target = PurePosixPath(mount.source), str(PurePosixPath(mount.target))
        if not source.is_absolute() or ".." in source.parts:
            problems.append(f"Model {model.name}: `mounts: {mount.source}` must be an absolute path without `..`.")
        if target == "/" or target in targets:
            problems.append(
                f"Model {model.name}: two mounts, or the root, at {target}; give each mount a `target` of its own."
            )
        targets.add(target)
    return problems
