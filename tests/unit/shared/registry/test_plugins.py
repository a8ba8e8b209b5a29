"""How plug-ins are found and loaded, with packages that lie on `sys.path` as installed ones do."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from vhb_shared.datasets.base import DatasetReader
from vhb_shared.datasets.registry import locate, reader_names
from vhb_shared.errors import UserError
from vhb_shared.registry.packages import PackageSource
from vhb_shared.registry.plugins import load_object, load_plugin, plugin, plugin_names, plugins
from vhb_shared.testing.plugins import write_package

READER = """
from vhb_shared.datasets.base import DatasetReader

class Echoes(DatasetReader):
    name = "echoes"
    describe = "echo://"
    def accepts(self, source, path):
        return source.startswith("echo://")
    def read(self, source, path):
        return iter(())

class Misnamed(Echoes):
    name = "other"

class NoReader:
    name = "noreader"
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that is on the path."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_every_member_registers_what_its_pyproject_lists() -> None:
    root = Path(__file__).parents[4]
    listed = 0
    for member in ("shared", "services/evaluator", "services/inference-agent", "services/reporter"):
        project = tomllib.loads((root / member / "pyproject.toml").read_text())["project"]
        for group, points in project["entry-points"].items():
            ours = {
                found.name: found.target
                for found in plugins(group.removeprefix("vhb."))
                if found.package.startswith(f"{project['name']} ")
            }
            assert ours == points, "run `make install` again"
            listed += len(points)
    assert listed > 20


def test_listing_imports_nothing_and_loading_does() -> None:
    code = (
        "import sys\n"
        "from vhb_shared.registry.plugins import load_object, plugins\n"
        "print(len(plugins('metrics')), any(name.startswith('vhb_evaluator') for name in sys.modules))\n"
        "load_object('metrics', 'CER')\n"
        "print('vhb_evaluator.metrics.cer' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, early, late = done.stdout.split()
    assert int(count) >= 6 and (early, late) == ("False", "True")


def test_a_package_that_is_added_is_found_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "echoes" not in plugin_names("datasets")
    write_package(tmp_path, "echo-reader", {"vhb.datasets": {"Echoes": "echo_reader:Echoes"}}, READER, "2.1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plugin("datasets", "ECHOES")[1:] == ("echoes", "echo-reader 2.1", "echo_reader:Echoes")
    assert load_plugin("datasets", "echoes", DatasetReader)().describe == "echo://"
    assert locate("echo://x", None).reader.name == "echoes"


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"^unknown metric 'cerr': did you mean 'cer'\?$"):
        plugin("metrics", "cerr")
    with pytest.raises(UserError, match=r"^unknown data set reader 'zzzz': known are: csv, documents, .*tsv\.$"):
        load_plugin("datasets", "zzzz", DatasetReader)


def test_a_name_that_two_packages_claim_names_both(site: Path) -> None:
    write_package(site, "one", {"vhb.datasets": {"echoes": "one:Echoes"}}, READER)
    write_package(site, "two", {"vhb.datasets": {"Echoes": "two:Echoes"}}, READER, "3")
    for look in (plugin, load_object):
        with pytest.raises(UserError) as caught:
            look("datasets", "echoes")
        assert str(caught.value) == (
            "data set reader 'echoes' is registered by one 1.0 (one:Echoes) and two 3 (two:Echoes); "
            "uninstall all of them but one"
        )
    assert plugin_names("datasets").count("echoes") == 1
    assert [found.package for found in plugins("datasets") if found.name == "echoes"] == ["one 1.0", "two 3"]
    assert load_plugin("datasets", "folder", DatasetReader).name == "folder"


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("noreader", "poor:NoReader", "poor:NoReader is not a subclass of vhb_shared.datasets.base.DatasetReader"),
        ("echoes", "poor:READ", "AttributeError"),
        ("echoes", "absent:Echoes", "importing absent:Echoes failed with ModuleNotFoundError: No module named"),
        ("misnamed", "poor:Misnamed", "poor:Misnamed is registered as 'misnamed' but calls itself 'other'"),
    ],
)
def test_a_broken_package_is_named(site: Path, name: str, target: str, why: str) -> None:
    write_package(site, "poor", {"vhb.datasets": {name: target}}, READER)
    with pytest.raises(UserError) as caught:
        load_plugin("datasets", name, DatasetReader)
    assert str(caught.value).startswith(f"data set reader {name!r} of package poor 1.0 cannot be used: ")
    assert why in str(caught.value) and str(caught.value).endswith("or uninstall the package")


def test_a_broken_reader_hinders_no_other(site: Path, tmp_path: Path) -> None:
    write_package(site, "poor", {"vhb.datasets": {"a_broken": "absent:Reader"}})
    (tmp_path / "rows.jsonl").write_text("{}")
    assert "a_broken" in reader_names()
    assert locate("rows.jsonl", tmp_path).reader.name == "jsonl"
    with pytest.raises(UserError, match=r'no reader for "echo://".*reader \'a_broken\' of package poor 1\.0 cannot'):
        locate("echo://x", None)


def test_tasks_of_packages(site: Path) -> None:
    write_package(
        site, "tasky", {"vhb.tasks": {"mine": "tasky:MINE"}}, "MINE = {'name': 'mine', 'dataset': 'hf://org/name'}\n"
    )
    assert PackageSource().load().tasks["mine"].entry.dataset == "hf://org/name"


def test_a_malformed_task_names_its_package(site: Path) -> None:
    write_package(site, "sad", {"vhb.tasks": {"other": "sad:OTHER"}}, "OTHER = {'name': 'other', 'datset': 'x'}\n")
    with pytest.raises(UserError, match=r"^task 'other' of package sad 1\.0 cannot be used: sad:OTHER is malformed"):
        PackageSource().load()
