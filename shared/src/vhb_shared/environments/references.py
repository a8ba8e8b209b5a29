"""Names of container images: what they consist of, and whether patterns allow them."""

import fnmatch
from collections.abc import Iterable


def split_reference(name: str) -> tuple[str, str | None, str | None]:
    """`host:5000/a/b:tag@sha256:...` -> repository, tag, digest."""
    name, _, digest = name.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = name, ""
    return repository, tag or None, digest or None


def full_repository(repository: str) -> str:
    """`python` -> `docker.io/library/python`: engines take both for the same. A leading wildcard stays as it is."""
    first, slash, _ = repository.partition("/")
    if repository.startswith(("*", "?", "[")):
        return repository
    if slash and ("." in first or ":" in first or first == "localhost"):
        return repository
    return f"docker.io/{repository}" if slash else f"docker.io/library/{repository}"


def is_allowed(name: str, patterns: Iterable[str]) -> bool:
    """Whether an image may be run. A pattern without tag and digest allows all of them; `latest` is the tag of none."""
    repository, tag, digest = split_reference(name)
    repository = full_repository(repository)
    tag = tag or (None if digest else "latest")
    full = repository + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    for pattern in patterns:
        if pattern == "*":
            return True
        wanted, wanted_tag, wanted_digest = split_reference(pattern)
        wanted = full_repository(wanted)
        if wanted_tag is None and wanted_digest is None:
            if fnmatch.fnmatchcase(repository, wanted):
                return True
            continue
        wanted += (f":{wanted_tag}" if wanted_tag else "") + (f"@{wanted_digest}" if wanted_digest else "")
        if fnmatch.fnmatchcase(full, wanted):
            return True
    return False
