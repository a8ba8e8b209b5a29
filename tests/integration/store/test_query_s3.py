"""`vhb query` over results on a real S3 server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from vhb_shared.store.s3 import S3Store
from vhb_shared.testing.results import MadeRun, store_job
from vhb_shared.testing.s3_server import S3Server

VHB = str(Path(sys.executable).with_name("vhb"))


def test_results_on_s3_are_queried_and_what_was_copied_is_gone(tmp_path: Path) -> None:
    with S3Server(tmp_path / "s3") as server:
        server.make_bucket("results")

        async def fill() -> None:
            async with S3Store(server.endpoint, "results", server.access_key, server.secret_key, secure=False) as store:
                for job_id, value in (("one", 1.0), ("two", 0.0)):
                    run = MadeRun("m", ["a", "b"], [value, value])
                    await store_job(store, job_id, [run], created_at="2026-01-01T00:00:00Z")

        asyncio.run(fill())
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        done = subprocess.run(
            [VHB, "query", "SELECT job_id, avg(value) FROM scores GROUP BY 1 ORDER BY 1", "--json"],
            cwd=tmp_path,
            env=os.environ
            | {
                "VHB_S3_ENDPOINT": f"http://{server.endpoint}",
                "VHB_S3_BUCKET": "results",
                "VHB_S3_ACCESS_KEY": server.access_key,
                "VHB_S3_SECRET_KEY": server.secret_key,
                "TMPDIR": str(scratch),
            },
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] == [["one", 1.0], ["two", 0.0]]
        assert list(scratch.iterdir()) == []
