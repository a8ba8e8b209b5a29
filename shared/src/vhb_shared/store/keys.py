"""What may be a key: the same for every kind of storage, so that a job moves from a laptop to a cluster unchanged."""

MAX_KEY_BYTES = 1024
MAX_PART_BYTES = 255
RESERVED = ".tmp"
"""First part of a key that no object may have: a directory store keeps what is being written there."""


def check_key(key: str) -> str:
    """Returns the key, or refuses one that could leave the storage's folder or mean two things.

    Raises:
        ValueError: empty, absolute, with an empty part, `.` or `..`, a backslash, a control character, too long.
    """
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"not a storage key: {key!r} (parts separated by one '/', none of them empty, '.' or '..')")
    if parts[0] == RESERVED:
        raise ValueError(f"not a storage key: {key!r} ({RESERVED!r} is reserved)")
    _check_characters(key)
    if len(key.encode()) > MAX_KEY_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise ValueError(f"not a storage key: {key[:80]!r}... is too long")
    return key


def check_prefix(prefix: str) -> str:
    """Returns the prefix of a listing; unlike a key it may be empty or end in a slash.

    Raises:
        ValueError: as for a key.
    """
    if prefix:
        check_key(prefix[:-1] if prefix.endswith("/") else prefix)
    return prefix


def _check_characters(key: str) -> None:
    if "\\" in key or any(ord(character) < 32 or character == "\x7f" for character in key):
        raise ValueError(f"not a storage key: {key!r} (backslashes and control characters are not allowed)")
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"not a storage key: {key!r} (not valid Unicode)") from error
