"""Which names files of an upload may have."""

from pathlib import PurePosixPath

from vhb_api.submitting.problems import Problem, Refused

MOST_BYTES = 1000
MOST_PARTS = 40


def relative_path(text: str) -> PurePosixPath:
    """A path below the upload's folder.

    Raises:
        Refused: it leads elsewhere, or file systems do not take it.
    """
    parts = text.split("/")
    why = None
    if any(part in ("", ".", "..") for part in parts) or "\\" in text:
        why = "name it by a relative path with slashes, without `.`, `..` or empty parts"
    elif any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        why = "leave control characters out of its name"
    elif len(parts) > MOST_PARTS or len(_bytes(text)) > MOST_BYTES or any(len(_bytes(part)) > 255 for part in parts):
        why = f"its name is too long; {MOST_BYTES} bytes in all and 255 between slashes are the bounds"
    if why is not None:
        raise Refused([Problem(message=f"The file {text[:200]!r} cannot be taken: {why}.")])
    return PurePosixPath(text)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
