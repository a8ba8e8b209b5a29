"""Which files of a data set as the Hugging Face hub lays it out belong to a configuration and a split."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from natsort import natsorted

from vhb_shared.datasets.table import nearest
from vhb_shared.errors import UserError

CARD = "README.md"
ALL = "*"
_SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?$")
_SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval")
_FOLDERS = ("data", "default")
_LISTED = 30


class DataFile(NamedTuple):
    """One file of a data set."""

    path: str
    """Relative to the data set's folder, with `/`."""
    config: str
    split: str


def choose_files(
    names: Sequence[str], card: str | None, where: str, config: str | None, split: str | None
) -> tuple[DataFile, ...]:
    """The Parquet files to read, in natural order: those that the card's `configs` name, else by the hub's conventions
    of folders and file names.

    Args:
        names: relative paths of all files there are.
        card: the text of README.md.
        where: the data set; for messages.
        config: None where there is one only, or a `default`; `*` for all.
        split: None where there is one only.

    Raises:
        UserError: none fits (what there is is named), several do, or parts are missing.
    """
    known = tuple(natsorted(name for name in names if name.lower().endswith(".parquet")))
    found = tuple(_by_card(known, card)) or tuple(map(_by_name, known))
    if not found:
        raise UserError(f"{where}: no Parquet files; name the `files` and the `reader`, or convert the data set")
    configs = tuple(dict.fromkeys(file.config for file in found))
    if config is None:
        config = "default" if "default" in configs else configs[0] if len(configs) == 1 else None
        if config is None:
            raise UserError(f"{where}: has several configurations, name one (or {ALL}): {_list(configs)}")
    if config != ALL:
        if config not in configs:
            raise UserError(
                f'{where}: no configuration "{config}"; there are: {_list(configs)}{nearest(config, configs)}'
            )
        found = tuple(file for file in found if file.config == config)
    splits = tuple(dict.fromkeys(file.split for file in found))
    if split is None and len(splits) > 1:
        raise UserError(f"{where}: has several splits, name one: {_list(splits)}")
    if split is not None and split not in splits:
        raise UserError(f'{where}: no split "{split}"; there are: {_list(splits)}{nearest(split, splits)}')
    chosen = tuple(file for file in found if split is None or file.split == split)
    _check_whole(chosen, where)
    return chosen


def _by_card(names: Sequence[str], card: str | None) -> Iterator[DataFile]:
    for entry in _configs(card):
        if not isinstance(entry, dict):
            continue
        config = str(entry.get("config_name", "default"))
        for split, patterns in _patterns(entry.get("data_files")):
            for name in names:
                if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                    yield DataFile(name, config, split)


def _configs(card: str | None) -> list[Any]:
    text = (card or "").lstrip("\ufeff")
    if not text.startswith("---"):
        return []
    try:
        front = yaml.safe_load(text[3:].partition("\n---")[0])
    except (yaml.YAMLError, RecursionError, ValueError):
        return []  # a card is for people; the conventions of names remain
    configs = front.get("configs") if isinstance(front, dict) else None
    return configs if isinstance(configs, list) else []


def _patterns(data_files: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(data_files, dict):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    if isinstance(data_files, str):
        data_files = [data_files]
    for item in data_files if isinstance(data_files, list) else []:
        if isinstance(item, str):
            yield "train", [item]
        elif isinstance(item, dict):
            paths = item.get("path")
            yield (
                str(item.get("split", "train")),
                [str(path) for path in (paths if isinstance(paths, list) else [paths])],
            )


def _by_name(name: str) -> DataFile:
    """`data/validation-00000-of-00006.parquet`, `config/test.parquet`, `config/test/0000.parquet`."""
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0]
    shard = _SHARD.match(stem)
    split = shard["stem"] if shard else _split_in(stem)
    if split is None and folders and (split := _split_in(folders[-1])) is not None:
        folders.pop()
    named = [folder for folder in folders if folder not in _FOLDERS]
    return DataFile(name, "/".join(named) or "default", split or "train")


def _split_in(text: str) -> str | None:
    return next((word for word in re.split(r"[._\- ]", text.lower()) if word in _SPLITS), None)


def _check_whole(files: Sequence[DataFile], where: str) -> None:
    """A file named `-00002-of-00006` without its five siblings is a part of something that was fetched in part."""
    for file in files:
        folder, _, name = file.path.rpartition("/")
        shard = _SHARD.match(name.rpartition(".")[0])
        if shard is None:
            continue
        siblings = {
            other["number"]
            for candidate in files
            if candidate.path.rpartition("/")[0] == folder
            and (other := _SHARD.match(candidate.path.rpartition("/")[2].rpartition(".")[0]))
            and (other["stem"], other["count"]) == (shard["stem"], shard["count"])
        }
        if len(siblings) != int(shard["count"]):
            raise UserError(
                f'{where}: {len(siblings)} of the {int(shard["count"])} files of "{shard["stem"]}" are there; '
                "fetch the rest"
            )


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
