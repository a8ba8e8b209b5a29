"""`python -m vhb_shared.schemas [--check] [--dir DIR]`: writes the schemas, or says which differ from the contracts."""

import argparse
import json
import sys
from pathlib import Path

from vhb_shared.schemas.asyncapi import asyncapi_document
from vhb_shared.schemas.messages import json_schemas


def schema_files() -> dict[str, str]:
    """File name -> content."""
    documents = {f"{name}.json": schema for name, schema in json_schemas().items()}
    documents["asyncapi.json"] = asyncapi_document()
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in documents.items()}


def differing(folder: Path) -> list[str]:
    """Names of files that are missing, differ, or should not be there."""
    wanted = schema_files()
    there = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    return sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))


def write(folder: Path) -> None:
    """Writes all files and removes those of messages that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = schema_files()
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (folder / name).write_text(content, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 1 when --check finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m vhb_shared.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when files differ")
    parser.add_argument("--dir", type=Path, default=_repository() / "schemas", help="default: schemas/ of the repository")
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.dir)
        return 0
    names = differing(options.dir)
    for name in names:
        print(f"{options.dir / name} differs from the contracts: run `make schemas` and commit it.", file=sys.stderr)
    return 1 if names else 0


def _repository() -> Path:
    root = Path(__file__).parents[4]
    return root if (root / "pyproject.toml").is_file() else Path()


if __name__ == "__main__":
    sys.exit(main())
