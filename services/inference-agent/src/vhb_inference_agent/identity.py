"""Which agent this is, on a host where others may have its name: every `vhb up` calls its first agent agent-0."""

import secrets
from pathlib import Path

FILE = "identity"


def identity(name: str, directory: Path) -> str:
    """The agent's name with a word that stays in its directory, the same in all its lives. Blocks.

    Args:
        name: of the agent.
        directory: its own.

    Raises:
        OSError: the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE
    try:
        with path.open("x") as file:
            file.write(secrets.token_hex(4))
    except FileExistsError:
        pass
    # Empty where the machine went down just after: then it is the name alone, as before there were such files.
    return f"{name}.{path.read_text().strip()}".rstrip(".")
