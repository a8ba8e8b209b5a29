"""What a person does: writes data and job files, types `vhb`, reads what comes back."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

VHB = str(Path(sys.executable).with_name("vhb"))
HEADER = ("data_index", "split", "image_path", "question", "answer", "doc_class", "question_type", "answer_bbox")
CLASSES = ("паспорт", "снилс")
TYPES = ("Серия и номер", "дата рождения", "ФИО")


def vhb(
    *arguments: str | Path, cwd: Path, code: int | None = 0, env: dict[str, str] | None = None, timeout: float = 90
) -> subprocess.CompletedProcess[str]:
    """Types a command; it must end with `code` and never with a traceback."""
    done = subprocess.run(
        [VHB, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    said = f"vhb {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, said
    assert code is None or done.returncode == code, said
    return done


@contextmanager
def typed(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command that is still running; ended as a person would when the test is over."""
    process = subprocess.Popen(
        [VHB, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        finally:
            process.kill()


def until(reached: Callable[[], bool], seconds: float = 40) -> None:
    """Waits until something is so."""
    give_up = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.1)


def write_folder(folder: Path, samples: int, *, change: Callable[[list[list[str]]], None] = lambda rows: None) -> Path:
    """A data set folder: `samples` small images, each different, of two classes and three types of question."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for n in range(samples):
        Image.new("RGB", (8, 8), (n % 256, n // 256, 7)).save(folder / f"images/{n}.png")
        kind = (CLASSES[n % 2], TYPES[n % 3])
        rows.append([str(n), "test", f"images/{n}.png", f"вопрос {n}?", f"ответ {n}", *kind, ""])
    change(rows)
    write_csv(folder / "annotation.csv", HEADER, rows)
    return folder


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """A table as the earlier tool wrote it: `;` and a byte order mark."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(header)
        writer.writerows(rows)
    return path


def remote(base_url: str, **more: Any) -> dict[str, Any]:
    """The stand-in as a model of a job."""
    return {"name": "remote", "backend": "openai", "model": "stand-in", "base_url": base_url, **more}


def write_job(path: Path, models: Sequence[Any], tasks: Sequence[Any], **more: Any) -> Path:
    """A job file, in the format of its suffix. Everything is asked, whatever other tests had answered, unless told."""
    job = {"name": path.stem, "models": list(models), "tasks": list(tasks), "reuse": False, **more}
    text = json.dumps(job) if path.suffix == ".json" else yaml.safe_dump(job, allow_unicode=True, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    """A CSV file of ours."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def header(path: Path) -> str:
    """Its first line."""
    return path.read_text(encoding="utf-8").splitlines()[0]
