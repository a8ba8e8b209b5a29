"""All results as one zip file, made while it is sent."""

import io
import zipfile

from interface import Interface

from vhb_shared.store import layout


async def test_the_zip_file_holds_what_the_list_says(api: Interface) -> None:
    await api.told.complete("done")
    await api.until("done", "completed")
    contents = {"report.html": b"<p>", "metrics.csv": b"m" * 5_000_000, "samples/0.js": b"s", "plan.json": None}
    for name, data in contents.items():
        if data is not None:
            await api.told.store.put(layout.job_file("done", name), data)
    await api.told.store.put(layout.run_file("done-0", "answers.csv"), b"id\r\n")
    said = await api.ask("GET", "/jobs/done/artefacts.zip")
    assert said.status == 200 and int(said.headers["Content-Length"]) == len(said.body)
    assert said.headers["Content-Disposition"] == 'attachment; filename="done.zip"'
    with zipfile.ZipFile(io.BytesIO(said.body)) as made:
        assert made.testzip() is None
        assert set(made.namelist()) == {"done/report.html", "done/metrics.csv", "done/runs/m0__t/answers.csv"}
        assert made.read("done/metrics.csv") == contents["metrics.csv"]
    whole = await api.ask("GET", "/jobs/done/artefacts.zip?samples=true")
    assert "done/samples/0.js" in zipfile.ZipFile(io.BytesIO(whole.body)).namelist()
    assert (await api.ask("GET", "/jobs/none/artefacts.zip")).status == 404
