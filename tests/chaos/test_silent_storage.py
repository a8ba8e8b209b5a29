"""Object storage on a real S3 server that stops answering, or is killed and comes back: the work waits, says so, and
loses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import DELAY_MS, Results, Stack, Watch, asked, running, wait_until

from vhb_shared.testing.endpoint_process import EndpointProcess
from vhb_shared.testing.s3_server import S3Server


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path / "s3") as server:
        yield server


@pytest.fixture
def s3_stack(s3: S3Server, tmp_path: Path) -> Iterator[Stack]:
    env = {
        "VHB_S3_ENDPOINT": f"http://{s3.endpoint}",
        "VHB_S3_BUCKET": s3.bucket,
        "VHB_S3_ACCESS_KEY": s3.access_key,
        "VHB_S3_SECRET_KEY": s3.secret_key,
    }
    with running(tmp_path / "work", env=env) as stack:
        yield stack


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["silent", "killed"])
def test_storage_goes_away_and_comes_back(
    how: str, s3: S3Server, s3_stack: Stack, unhurried: EndpointProcess, job: Path, undisturbed: Results, tmp_path: Path
) -> None:
    before = asked(unhurried)
    job_id = s3_stack.submit(job)
    with Watch(s3_stack, job_id, tmp_path / "watch.txt") as watch:
        wait_until(lambda: asked(unhurried) - before >= 60, 60, "60 requests")
        if how == "silent":
            s3.pause()
        else:
            s3.kill()
        said = watch.says_while_away("paused")
        if how == "silent":
            s3.resume()
        else:
            s3.start()
        unhurried.control(delay_ms=DELAY_MS)
        results = s3_stack.finished(job_id, tmp_path / "out")
    extra = asked(unhurried) - before - len(undisturbed.answers)
    print(f"\nstorage {how}: {extra} requests more\n{said}")
    assert results == undisturbed
    assert extra == 0
