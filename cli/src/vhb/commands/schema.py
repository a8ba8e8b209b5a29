"""`vhb schema`: JSON Schema of the job file and of each message."""

import json
from typing import Annotated

import typer


def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="`job`, or a message; default: list the names.")
    ] = None,
) -> None:
    """Print the JSON Schema of the job file or of an event; without a name, list them."""
    from vhb_shared.schemas import json_schemas

    schemas = json_schemas()
    if name is None:
        for known in schemas:
            print(known)
        return
    if name not in schemas:
        from vhb_shared.documents.check import did_you_mean
        from vhb_shared.errors import UserError

        raise UserError(f"There is no schema {name!r}: {did_you_mean(name, tuple(schemas), 'vhb schema')}")
    print(json.dumps(schemas[name], indent=2, ensure_ascii=False))
