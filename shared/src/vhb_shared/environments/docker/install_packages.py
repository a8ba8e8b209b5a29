"""Runs inside an image, as its root: installs what plan.json beside it says, and prints what uv says.

A file of the standard library only, for whatever Python the image has. Settings come from a file rather than from
variables: variables would be kept in the image, and may hold the password of a package index.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> None:
    """Ends with uv's code where it fails."""
    plan = json.loads((HERE / "plan.json").read_text())
    environ = {**os.environ, **plan["variables"]}
    uv, python = str(HERE / "uv"), sys.executable
    try:
        subprocess.run([uv, "--version"], check=True, stdout=subprocess.DEVNULL, env=environ)
    except (OSError, subprocess.CalledProcessError):
        print("error: uv does not run in this image, which needs glibc and this host's kind of processor")
        sys.exit(1)
    if plan["venv"]:
        _run(plan, environ, [uv, "venv", "--quiet", "--no-project", "--python", python, plan["venv"]])
        python = plan["venv"] + "/bin/python"
    install = [uv, "pip", "install", *plan["flags"], "--python", python, "--link-mode", "copy", "--compile-bytecode"]
    if not plan["venv"]:
        install.append("--break-system-packages")
    if plan["venv"]:
        _run(plan, environ, [*install, "--no-deps", "--require-hashes", "-r", str(HERE / "requirements.lock")])
    if plan["packages"]:
        _run(plan, environ, [*install, "--", *plan["packages"]])
    if (HERE / "local").is_dir():
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        shutil.copytree(HERE / "local", site, dirs_exist_ok=True)


def _run(plan: "dict[str, Any]", environ: "dict[str, str]", command: "list[str]") -> None:
    code, text = _said(command, environ)
    if code and any(word in text.lower() for word in plan["network_words"]):
        # Everything may be in uv's cache although the index cannot be asked.
        print("the package index does not answer; trying what uv has cached", flush=True)
        if _said([*command[:3], "--offline", *command[3:]], environ)[0] == 0:
            return
    if code:
        sys.exit(code)


def _said(command: "list[str]", environ: "dict[str, str]") -> "tuple[int, str]":
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    )
    lines = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        print(line, end="", flush=True)
    return process.wait(), "".join(lines)


if __name__ == "__main__":
    main()
