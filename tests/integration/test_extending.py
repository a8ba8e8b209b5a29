"""docs/extending.md: its packages are taken from the page, installed, and its job is run."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
_BLOCK = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.M | re.S)


def _uv(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *arguments], cwd=cwd, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with the page's job and data, and the folder that the package was installed into."""
    folder = tmp_path_factory.mktemp("extending")
    for name, content in _BLOCK.findall(PAGE.read_text()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for package in ("acme/acme", "acme/acme/acme_server", "shouter/shouter"):
        (folder / package / "__init__.py").touch()
    target = folder / "installed"
    _uv("pip", "install", "--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable,
        "--target", str(target), "./acme", cwd=folder)  # fmt: skip
    _uv("build", "--wheel", "--offline", "--no-build-isolation", "--python", sys.executable, "--out-dir", "dist",
        "./shouter", cwd=folder)  # fmt: skip
    wheel = next((folder / "dist").glob("*.whl"))
    job = folder / "job.yaml"
    job.write_text(job.read_text().replace("SHOUTER", str(wheel)))
    Image.new("RGB", (40, 30), "white").save(folder / "page.png")
    (folder / "pages.pairs").write_text("page.png\tREAD IT.!!!\n")
    return folder, target


def _vhb(folder: Path, target: Path, *arguments: str, seconds: float = 100) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-m", "vhb", *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_package_is_listed(extended: tuple[Path, Path]) -> None:
    assert "same_length" in _vhb(*extended, "metrics", "list").stdout
    assert "pairs" in _vhb(*extended, "datasets", "list").stdout
    listed = _vhb(*extended, "datasets", "list", "--beside", ".").stdout
    assert "chart-questions" in listed and "hf://HuggingFaceM4/ChartQA" in listed
    assert "chart-questions" in _vhb(*extended, "tasks", "list", "--beside", ".").stdout
    assert "nice" in _vhb(*extended, "environments", "list").stdout
    assert "share of answers as long as a reference" in _vhb(*extended, "metrics", "show", "same_length").stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_job_uses_all_of_it(extended: tuple[Path, Path]) -> None:
    folder, target = extended
    _vhb(folder, target, "run", "job.yaml", "--out", "results", "--workdir", "wd", seconds=280)

    def rows(name: str) -> list[dict[str, str]]:
        with (folder / "results" / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    size = (folder / "page.png").stat().st_size
    assert [row["model_answer"] for row in rows("runs/imagesize__read/answers.csv")] == [f"{size} bytes"]
    assert [row["model_answer"] for row in rows("runs/shout__read/answers.csv")] == ["READ IT.!!!"]
    values = {
        (row["model"], row["metric"]): float(row["value"]) for row in rows("metrics.csv") if row["group"] == "all"
    }
    assert values["shout", "same_length"] == 1 and values["shout", "cer"] == 0
    assert values["imagesize", "same_length"] == 0
    report = (folder / "results" / "report.html").read_text()
    assert "Busiest run" in report and "Most requests: " in report
    assert '"environment": "nice"' in (folder / "results/runs/imagesize__read/environment.json").read_text()
