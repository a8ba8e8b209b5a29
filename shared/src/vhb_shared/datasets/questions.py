"""Questions that metrics ask models about answers, as a data set in object storage that agents answer."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from vhb_shared.contracts.plan import DatasetRef, RunSpec
from vhb_shared.datasets.distinct import Distinct
from vhb_shared.datasets.pin import Manifest
from vhb_shared.datasets.records import SAMPLE_SCHEMA, write_parquet
from vhb_shared.store import layout
from vhb_shared.store.base import ObjectStore

INSTRUCTIONS = "instructions"
"""The column of the data set that holds each question's system prompt."""
_VERSION = b"questions 1\n"


class ModelQuestion(NamedTuple):
    """One request to a model."""

    instructions: str
    """The system prompt."""
    text: str
    images: tuple[str, ...] = ()
    """Names of images of the run's data set, shown before the text."""

    @property
    def id(self) -> str:
        """Hash of all that is sent, hex: the sample's id in the data set of questions."""
        return hashlib.sha256(json.dumps([self.instructions, self.text, self.images]).encode()).hexdigest()


class QuestionTable:
    """Questions on disk, each once, in the order in which they came first. Blocks; for one thread at a time.

    Args:
        folder: an empty one; the caller's to remove after `close`.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._known = Distinct(folder / "ids.sqlite")
        self._records = (folder / "questions.ndjson").open("w", encoding="utf-8")
        self._parquet = folder / "samples.parquet"
        self._digest = hashlib.sha256(_VERSION)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, question: ModelQuestion) -> None:
        """Takes in a question; one that is there already changes nothing."""
        index = len(self._known)
        if not self._known.add(question.id):
            return
        record = dict.fromkeys(SAMPLE_SCHEMA) | {
            "index": index,
            "id": question.id,
            "images": question.images,
            "question": question.text,
            "references": (),
            "choices": (),
            "fields": json.dumps({INSTRUCTIONS: question.instructions}),
        }
        line = json.dumps(record, ensure_ascii=False) + "\n"
        self._digest.update(line.encode())
        self._records.write(line)

    def finish(self, shows: str) -> tuple[str, Path]:
        """Writes the table.

        Args:
            shows: digest of the data set that its images are in.

        Returns:
            The digest of the data set that the questions are, and its samples.parquet.
        """
        self._records.close()
        self._digest.update(f"shows {shows}\n".encode())
        write_parquet(Path(self._records.name), SAMPLE_SCHEMA, self._parquet)
        return self._digest.hexdigest(), self._parquet

    def close(self) -> None:
        """Lets go of the files."""
        self._records.close()
        self._known.close()


async def store_questions(digest: str, table: Path, count: int, run: RunSpec, store: ObjectStore) -> DatasetRef:
    """Puts questions into object storage; doing it twice stores them once.

    Args:
        digest: from `QuestionTable.finish`.
        table: samples.parquet.
        count: questions in it.
        run: about whose answers they are.
        store: where to.

    Raises:
        Unavailable: storage does not answer.
    """
    ref = DatasetRef(
        digest=digest,
        name=f"questions about {run.name}",
        source=f"run:{run.run_id}",
        samples=count,
        shows=run.dataset.media_digest,
    )
    if not await store.exists(layout.dataset_manifest(digest)):
        await store.put_file(layout.dataset_samples(digest), table)
        manifest = Manifest(dataset=ref, images=0)
        await store.put(layout.dataset_manifest(digest), manifest.model_dump_json(indent=1).encode())
    return ref
