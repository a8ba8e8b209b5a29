"""One running stack and one endpoint for all of these tests; each file has a folder of its own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from person import VHB, typed, write_folder

from vhb.main import main
from vhb_shared.testing.endpoint_process import EndpointProcess


@pytest.fixture(scope="session")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of a `vhb up` without options."""
    folder = tmp_path_factory.mktemp("up")
    with typed("up", cwd=folder) as stack:
        assert stack.stdout is not None
        line = stack.stdout.readline()
        assert line.startswith("ready: nats://127.0.0.1:") and "credentials" in line
        yield folder / ".vhb"
        assert stack.poll() is None


@pytest.fixture(scope="module")
def place(workdir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the tests of one file, where commands without options find the stack; it holds a data set of 64
    samples in `data` and one of 6 in `few`."""
    folder = tmp_path_factory.mktemp("place")
    (folder / ".vhb").symlink_to(workdir)
    write_folder(folder / "data", 64)
    write_folder(folder / "few", 6)
    return folder


@pytest.fixture(scope="session")
def stand_in() -> Iterator[EndpointProcess]:
    with EndpointProcess() as process:
        yield process


@pytest.fixture
def endpoint(stand_in: EndpointProcess) -> EndpointProcess:
    """The stand-in, well-behaved and with no requests counted."""
    stand_in.control(reset=True, rules=[], delay_ms=0, api_key=None, echo=False)
    return stand_in


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """These tests type the command that a person types."""
    assert subprocess.run([VHB, "--help"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def quickly(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, str]]:
    """Types a command in `place`, which must end with `code`; standard output and error. In this process: where many
    commands say a sentence each, to start them takes far longer."""

    def type_here(*arguments: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.chdir(place)
        monkeypatch.setattr(sys, "argv", ["vhb", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        assert (left.value.code or 0) == code, f"{arguments}: {left.value.code}\n{said.out}\n{said.err}"
        return said.out, said.err

    return type_here
