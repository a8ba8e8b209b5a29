"""The built page gets into the wheel and the image of the API."""

import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def test_the_wheel_carries_the_page_although_git_ignores_it(tmp_path: Path) -> None:
    member = tmp_path / "services" / "api"
    shutil.copytree(ROOT / "services" / "api", member, ignore=shutil.ignore_patterns("page", "__pycache__"))
    shutil.copyfile(ROOT / ".gitignore", tmp_path / ".gitignore")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    page = member / "src" / "vhb_api" / "page"
    (page / "assets").mkdir(parents=True)
    for name in ("index.html", "assets/index-abc.js"):
        (page / name).write_text("built")
    ignored = subprocess.run(["git", "check-ignore", "-q", page / "index.html"], cwd=tmp_path, check=False)
    assert ignored.returncode == 0
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=member, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist()
    assert {"vhb_api/page/index.html", "vhb_api/page/assets/index-abc.js"} <= set(names)


@pytest.mark.parametrize(("services", "wanted"), [("scheduler api", True), ("scheduler evaluator", False)])
def test_the_page_is_built_before_the_image_that_serves_it(services: str, wanted: bool, tmp_path: Path) -> None:
    for name in ("make", "docker"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{tmp_path}/said"\n')
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
    env = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SERVICES": services}
    subprocess.run(["sh", ROOT / "deploy" / "images" / "build.sh"], env=env, check=True, capture_output=True)
    said = (tmp_path / "said").read_text().splitlines()
    assert [line for line in said if line.startswith("make")] == ["make --silent web"] * wanted
    assert said[-1].startswith("docker build") and (not wanted or said[0].startswith("make"))


def test_the_images_context_holds_the_page() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    assert "!services" in rules and not any("page" in rule or "dist" in rule for rule in rules)
