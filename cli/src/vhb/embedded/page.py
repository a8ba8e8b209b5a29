"""The web page of the stack: whether it is there, and opened in a person's browser."""

import html
import os
import sys
import webbrowser
from pathlib import Path


def is_built() -> bool:
    """Whether this installation carries the page."""
    from vhb_api.rest.page import FOLDER

    return (FOLDER / "index.html").is_file()


def open_page(address: str, folder: Path) -> None:
    """Opens an address where a person sits at a desktop; does nothing elsewhere.

    The address holds a login code, and command lines are seen by everybody on a machine: the browser is given a file
    instead, which only its owner reads, and which sends it there.

    Args:
        address: of the page, with a login code.
        folder: where that file goes.
    """
    if not sys.stderr.isatty() or not _has_desktop():
        return
    file = folder / "open.html"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
        made.write(
            '<!doctype html><meta charset="utf-8"><title>VLMHyperBench</title>'
            f'<meta http-equiv="refresh" content="0;url={html.escape(address, quote=True)}">'
        )
    webbrowser.open(file.resolve().as_uri())


def _has_desktop() -> bool:
    if sys.platform == "darwin" or os.name == "nt":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
