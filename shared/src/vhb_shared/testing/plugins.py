"""Packages with plug-ins, as they would lie in site-packages."""

from collections.abc import Mapping
from pathlib import Path


def write_package(
    folder: Path, name: str, plugins: Mapping[str, Mapping[str, str]], code: str = "", version: str = "1.0"
) -> None:
    """Writes what an installed package leaves behind; put `folder` on `sys.path` to have it.

    Args:
        folder: where packages lie.
        name: of the package; its module has underscores for hyphens.
        plugins: entry-point group -> name -> `module:object`.
        code: of the module; without any there is none.
        version: of the package.
    """
    module = name.replace("-", "_")
    metadata = folder / f"{module}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = ("\n".join([f"[{group}]", *map(" = ".join, points.items()), ""]) for group, points in plugins.items())
    (metadata / "entry_points.txt").write_text("\n".join(groups))
    if code:
        (folder / f"{module}.py").write_text(code)
