"""What an image must not be: the bounds, and the error that says so."""

MAX_PIXELS = 100_000_000
"""Decoding costs up to four bytes a pixel in every process that looks at the image."""
MAX_BYTES = 256 * 1024 * 1024


class ImageProblem(Exception):  # noqa: N818 - becomes a bad row, not a failure
    """What was expected of an image and what was found."""
