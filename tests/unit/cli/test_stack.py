"""Which services an embedded stack has."""

from pathlib import Path

from vhb.embedded.stack import Counts, EmbeddedStack
from vhb.embedded.workdir import Workdir


def test_the_management_plane_is_part_of_it_where_it_is_asked_for(tmp_path: Path) -> None:
    def modules(counts: Counts, port: int | None = None) -> dict[str, dict[str, str]]:
        stack = EmbeddedStack(Workdir(tmp_path), counts=counts, api_port=port)
        return {module: extra for _, module, extra in stack._members()}

    assert "vhb_api" not in modules(Counts())
    extra = modules(Counts(api=True), 1234)["vhb_api"]
    assert extra["VHB_API_PORT"] == "1234"
    assert extra["VHB_API_DATABASE"] == f"sqlite:///{tmp_path}/api/vhb.db"
    assert int(modules(Counts(api=True))["vhb_api"]["VHB_API_PORT"]) > 0
