"""How much may be put here."""

from dataclasses import dataclass

from vhb_api.settings import ApiSettings
from vhb_shared.errors import VhbError

GIB = 1 << 30


class TooMuch(VhbError):  # noqa: N818 - a condition of what was sent
    """A bound is reached; the sentence says which."""


@dataclass(frozen=True)
class Bounds:
    """In bytes, but for the number of files and the hours."""

    file: int
    upload: int
    all: int
    files: int
    hours: float

    @classmethod
    def of(cls, settings: ApiSettings) -> "Bounds":
        """Those of the settings."""
        return cls(
            file=int(settings.upload_file_gib * GIB),
            upload=int(settings.upload_gib * GIB),
            all=int(settings.uploads_gib * GIB),
            files=settings.upload_files,
            hours=settings.upload_hours,
        )


def said(size: int) -> str:
    """`1.5 GiB`, `20 MiB`."""
    return f"{size / GIB:.3g} GiB" if size >= GIB else f"{size / (1 << 20):.3g} MiB"
