"""A data set's images, for metrics that show them to somebody."""

import asyncio
from pathlib import Path

from vhb_evaluator.local_files import LocalFiles
from vhb_evaluator.metrics.context import NoImage
from vhb_evaluator.threads import in_loop
from vhb_shared.datasets.data_urls import read_data_url
from vhb_shared.errors import NotFound
from vhb_shared.store import layout
from vhb_shared.store.cache import Damaged


class SampleImages:
    """`metrics.context.Images` of one data set over the cache. Called in worker threads; the storage's own work runs
    in the event loop that it belongs to.

    Args:
        files: local files of the storage.
        loop: the loop that the files are used in.
        digest: of the data set.
    """

    def __init__(self, files: LocalFiles, loop: asyncio.AbstractEventLoop, digest: str) -> None:
        self._files = files
        self._loop = loop
        self._digest = digest

    def data_urls(self, names: tuple[str, ...], max_bytes: int) -> tuple[str, ...]:
        """See `Images.data_urls`."""
        urls, left = [], max_bytes
        for name in names:
            path = self._file(name)
            try:
                left -= path.stat().st_size  # before it is in memory
                if left < 0:
                    raise NoImage(f"the sample's images are larger than {max_bytes >> 20} MiB together")
                urls.append(read_data_url(path, name).decode("ascii"))
            except OSError as error:
                raise NoImage(f"the image {name} cannot be read: {error.strerror or type(error).__name__}") from error
        return tuple(urls)

    def _file(self, name: str) -> Path:
        try:
            return in_loop(self._files.path(layout.dataset_media(self._digest, name)), self._loop)
        except NotFound:
            raise NoImage(f"the image {name} is not in storage; load the data set again") from None
        except Damaged as error:
            raise NoImage(f"{error}; load the data set again") from error
