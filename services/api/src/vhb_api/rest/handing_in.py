"""What a job is handed in with: its file, as the body or in an upload, and what is asked for beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Header, Query, Request
from pydantic import BaseModel, Field

from vhb_api.access.tokens import Bearer
from vhb_api.rest.context import Context
from vhb_api.rest.problems import Failed
from vhb_api.submitting.problems import Problem, Refused
from vhb_api.submitting.submitter import Format, Handed, Wishes
from vhb_api.uploads.contents import JOB_FILES, contents
from vhb_shared.documents.read import MAX_BYTES

_FORMATS: dict[str, Format] = {
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "application/json": "json",
    "text/csv": "csv",
}
_OF_SUFFIX: dict[str, Format] = {".json": "json", ".csv": "csv"}
BODY: dict[str, Any] = {
    "requestBody": {
        "content": {kind: {"schema": {"type": "string"}} for kind in ("application/yaml", "text/csv")}
        | {"application/json": {"schema": {"type": "object"}}},
        "description": "A job file, or a `user_config.csv`; nothing where an upload holds it.",
    }
}
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=200, description="The same key hands the job in once.")
]
UploadQuery = Annotated[
    str | None,
    Query(pattern=r"^[0-9a-f]{32}$", description="An upload that files are read from; without a body, its job file."),
]


class _Wishes(BaseModel):
    limit: int | None = Field(None, ge=1, le=1_000_000_000, description="At most this many samples of each task.")
    skip_bad_rows: bool = Field(False, description="Leave bad rows out instead of refusing the job.")
    no_reuse: bool = Field(False, description="Ask everything, also what an earlier job has answered.")

    def wishes(self) -> Wishes:
        """As the domain knows them."""
        return Wishes(**self.model_dump())


Wanted = Annotated[_Wishes, Query()]


@asynccontextmanager
async def handed_in(request: Request, context: Context, who: Bearer, upload_id: str | None) -> AsyncIterator[Handed]:
    """What a request hands in; its upload is not removed within the block.

    Raises:
        Failed: the body's kind is not said.
        NotFound: there is no such upload of theirs.
        Refused: neither the body nor the upload holds a job file.
    """
    content = await request.body()
    if upload_id is None:
        yield Handed(content, _format(request))
        return
    upload = await context.uploads.find(upload_id, who.token_id)
    with upload.reading():
        found = await contents(upload, context.uploads)
        if content:
            yield Handed(content, _format(request), folder=found.folder)
        elif found.job is not None and (written := await asyncio.to_thread(_written, found.job)) is not None:
            form = _OF_SUFFIX.get(found.job.suffix.lower(), "yaml")
            yield Handed(written, form, found.job.name, found.folder)
        else:
            why = "There is no job file in this upload" if found.job is None else f"{found.job.name} is too large"
            names = ", ".join(JOB_FILES)
            raise Refused([Problem(message=f"{why}: add one of {names}, or send the job as the body.")])


def _written(job: Path) -> bytes | None:
    """A job file; None where it is too large."""
    return job.read_bytes() if job.stat().st_size <= MAX_BYTES else None


def _format(request: Request) -> Format:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    found = _FORMATS.get(kind)
    if found is None:
        raise Failed(415, f"Say what the job is, as Content-Type: one of {', '.join(_FORMATS)}.")
    return found


def own_key(token_id: str, key: str | None) -> str | None:
    """A key as its sender's: nobody else's is the same."""
    return f"{token_id}:{key}" if key else None
