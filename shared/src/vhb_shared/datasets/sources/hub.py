"""Data sets on the Hugging Face hub."""

import fnmatch
import glob
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from vhb_shared.contracts.dataset import DatasetSource
from vhb_shared.datasets.hub_layout import CARD, choose_files
from vhb_shared.datasets.sources.base import Fetched, Fetcher, Fetching
from vhb_shared.errors import Unavailable, UserError
from vhb_shared.store.local import disk_errors, part_path

_ADDRESS = re.compile(
    r"^hf://(?:datasets/)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/:@]+))?(?:/(?P<config>[^:]+?))?/?(?::(?P<split>[^:]+))?$"
)
_YES = ("1", "on", "yes", "true")
_KIND = "dataset"


class HubFetcher(Fetcher):
    """`hf://org/name[@revision][/config][:split]`: its Parquet files, or the `files` that the entry names. They lie in
    the hub's own cache (HF_HOME). HF_TOKEN is the only token used; with HF_HUB_OFFLINE=1 the cache must have all of it.
    """

    schemes = ("hf",)
    describe = "hf://org/name[@revision][/config][:split]"

    def _fetch(self, how: DatasetSource, fetching: Fetching) -> Fetched:
        found = _ADDRESS.match(how.source)
        if found is None:
            raise UserError(f'data set "{how.source}": expected hf://org/name[@revision][/config][:split]')
        # What is said beside the address counts more: an override of a registry entry stands there.
        said = {name: unquote(found[name]) for name in ("revision", "config", "split") if found[name]}
        how = DatasetSource(**{**said, **_said(how)})
        with _hub_errors(how.source), disk_errors("writing to the hub's cache"):
            snapshot = _Snapshot(found["repo"], how, fetching)
            folder, names = snapshot.offline() if _offline() else snapshot.online()
            how = how.model_copy(update={"revision": snapshot.commit})
            if how.files:
                folder = self._copied(folder, names, found["repo"], how)
        return Fetched(folder, how, found["repo"])

    def _copied(self, snapshot: Path, names: Sequence[str], repo: str, how: DatasetSource) -> Path:
        """The files in a folder of their own: in the cache they are links that lead out of it. Written whole or not at
        all, so that what is there is complete."""
        key = hashlib.sha256("\n".join(how.files).encode()).hexdigest()[:16]
        root = self._settings.sources_directory() / "hub" / repo.replace("/", "--") / f"{how.revision}-{key}"
        if not root.exists():
            work = part_path(root)
            root.parent.mkdir(parents=True, exist_ok=True)
            try:
                for name in names:
                    target = work / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    _link((snapshot / name).resolve(), target)
                work.rename(root)
            except OSError:
                if not root.exists():
                    raise
            finally:
                shutil.rmtree(work, ignore_errors=True)
        return root / names[0] if len(how.files) == 1 and list(names) == list(how.files) else root


class _Snapshot:
    """One data set at one commit, in the hub's cache."""

    def __init__(self, repo: str, how: DatasetSource, fetching: Fetching) -> None:
        self._repo = repo
        self._how = how
        self._fetching = fetching
        self.commit = how.revision or "main"

    def online(self) -> tuple[Path, Sequence[str]]:
        """The folder, and the files that are wanted of it; fetched where they are not here yet."""
        from huggingface_hub import HfApi

        api = HfApi(endpoint=_endpoint(), token=_token())
        info = api.repo_info(self._repo, repo_type=_KIND, revision=self._how.revision)
        self.commit = str(info.sha)
        tree = api.list_repo_tree(self._repo, repo_type=_KIND, revision=self.commit, recursive=True)
        sizes = {item.path: getattr(item, "size", 0) or 0 for item in tree if hasattr(item, "size")}
        card = None
        if CARD in sizes and not self._how.files:
            card = self._download([CARD]) / CARD
        names = self._chosen(tuple(sizes), card)
        self._fetching.expect(sum(sizes[name] for name in names))
        return self._download(names), names

    def offline(self) -> tuple[Path, Sequence[str]]:
        """The same from the cache alone."""
        folder = self._download((), local=True)
        self.commit = folder.name
        there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
        known = _listed_before(folder) or there
        card = folder / CARD if CARD in there else None
        names = self._chosen(tuple(known), card)
        missing = [name for name in names if name not in there]
        if missing:
            raise UserError(
                f'data set "{self._how.source}": {len(missing)} of {len(names)} files are not in the cache, such as '
                f"{missing[0]}; fetch it once without HF_HUB_OFFLINE"
            )
        if self._how.files and known is there:
            raise UserError(
                f'data set "{self._how.source}": nothing says that its files in the cache are all there; fetch it once '
                "without HF_HUB_OFFLINE, or name a local folder with the files"
            )
        return folder, names

    def _chosen(self, names: Sequence[str], card: Path | None) -> list[str]:
        how = self._how
        if how.files:
            found = [name for name in sorted(names) if any(fnmatch.fnmatchcase(name, wanted) for wanted in how.files)]
            for wanted in how.files:
                if not any(fnmatch.fnmatchcase(name, wanted) for name in found):
                    raise UserError(f'data set "{how.source}": has no file "{wanted}"')
            return found
        text = card.read_text(encoding="utf-8", errors="replace") if card is not None else None
        where = f'data set "{how.source}"'
        return [file.path for file in choose_files(names, text, where, how.config, how.split)]

    def _download(self, names: Sequence[str], *, local: bool = False) -> Path:
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(
                self._repo,
                repo_type=_KIND,
                revision=self._how.revision,  # by its name, which the cache then knows offline too
                allow_patterns=[glob.escape(name) for name in names],
                cache_dir=_cache(),
                endpoint=_endpoint(),
                token=_token(),
                local_files_only=local,
                tqdm_class=_progress(self._fetching),
            )
        )
        if not local and folder.name != self.commit:
            raise Unavailable(f'data set "{self._how.source}": was changed on the hub meanwhile.')
        return folder


def _progress(fetching: Fetching) -> Any:
    """Stands for the progress bar of the hub's library: it is told of all bytes, and may end the download."""
    from tqdm import tqdm  # what the hub's library brings

    class Told(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._bytes = kwargs.get("unit") == "B" and "Reconstructing" in str(kwargs.get("desc", ""))
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            fetching.came(int(n or 0) if self._bytes else 0)
            return None

    return Told


def _said(how: DatasetSource) -> dict[str, Any]:
    return {name: getattr(how, name) for name in how.model_fields_set}


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES


def _token() -> str | bool:
    # Never a token that lies in a file of the user: only what this process was given.
    return os.environ.get("HF_TOKEN") or False


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _cache() -> str | None:
    if cache := os.environ.get("HF_HUB_CACHE"):
        return cache
    home = os.environ.get("HF_HOME")
    return str(Path(home).expanduser() / "hub") if home else None


def _listed_before(snapshot: Path) -> list[str] | None:
    """All files of a commit as the hub listed them when it was fetched; None where that is not known."""
    from huggingface_hub import get_cached_repo_tree

    try:
        repo = snapshot.parents[1].name.removeprefix("datasets--").replace("--", "/", 1)
        tree = get_cached_repo_tree(repo, repo_type=_KIND, revision=snapshot.name, cache_dir=snapshot.parents[2])
    except Exception:  # an older cache has no listing
        return None
    return [str(getattr(item, "path", item)) for item in tree] or None


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


@contextmanager
def _hub_errors(source: str) -> Iterator[None]:
    """What errors of the hub's library mean."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(
            f'data set "{source}": is gated; accept its conditions on the hub and set HF_TOKEN to your token'
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f'data set "{source}": the hub has no such data set, or it is private; check the name, or set HF_TOKEN'
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f'data set "{source}": the hub has no such revision of it; check what follows "@"') from error
    except errors.LocalEntryNotFoundError as error:
        if not _offline():
            raise Unavailable(f'data set "{source}": the hub does not answer ({error.__cause__ or error}).') from error
        raise UserError(
            f'data set "{source}": is not in the cache; fetch it once without HF_HUB_OFFLINE, or name a local folder'
        ) from error
    except errors.HFValidationError as error:
        raise UserError(f'data set "{source}": is no name of a data set on the hub ({error})') from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise UserError(f'data set "{source}": the hub refuses access; set HF_TOKEN to a token that may') from error
        if 400 <= status < 500 and status not in (408, 429):
            raise UserError(f'data set "{source}": the hub answers with status {status}') from error
        raise Unavailable(f'data set "{source}": the hub cannot answer now (status {status}).') from error
    except (UserError, Unavailable, InterruptedError):
        raise
    except OSError as error:
        if type(error).__module__.startswith(("httpx", "requests", "urllib3")) or isinstance(error, ConnectionError):
            raise Unavailable(f'data set "{source}": the hub does not answer ({error}).') from error
        raise
    except Exception as error:
        if type(error).__module__.startswith(("httpx", "httpcore")):
            raise Unavailable(f'data set "{source}": the hub does not answer ({error}).') from error
        raise
