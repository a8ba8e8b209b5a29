"""A disk that fills up pauses the work, says so, and loses nothing."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import DELAY_MS, Results, Watch, asked, running, wait_until

from vhb_shared.testing.endpoint_process import EndpointProcess


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leaves not a byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 20)) == 1 << 20:
                pass
            while file.write(b"0"):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk does not fill up")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["objects", "checkpoints", "nats", "."])
def test_full_and_free_again(
    part: str, small_disk: Path, unhurried: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    """The disk of object storage, of local checkpoints, of the bus, of everything."""
    work = tmp_path / "work"
    if part == ".":
        work = small_disk / "work"
    else:
        work.mkdir()
        (work / part).symlink_to(small_disk)
    with running(work) as stack:
        before = asked(unhurried)
        job_id = stack.submit(job)
        with Watch(stack, job_id, tmp_path / "watch.txt") as watch:
            wait_until(lambda: asked(unhurried) - before >= 60, 60, "60 requests")
            ballast = fill(small_disk)
            # That it is the bus's disk is known to the supervisor, which says so where `vhb up` runs.
            said = watch.says_while_away(
                "paused: the bus does not store events" if part == "nats" else "the disk is full"
            )
            at_end = asked(unhurried) - before
            ballast.unlink()
            unhurried.control(delay_ms=DELAY_MS)
            free_at = time.monotonic()
            results = stack.finished(job_id, tmp_path / "out")
            took = time.monotonic() - free_at
        extra = asked(unhurried) - before - len(undisturbed.answers)
    print(f"\ndisk of {part} full: {extra} requests more, {at_end} while full, done {took:.1f} s after")
    print(said)
    assert results == undisturbed
    assert extra == 0
