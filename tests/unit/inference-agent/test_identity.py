"""Which agent it is: the same in all its lives, and not another one's of its name."""

from pathlib import Path

from vhb_inference_agent.identity import identity


def test_an_agent_is_the_same_in_its_directory_and_another_one_elsewhere(tmp_path: Path) -> None:
    first = identity("agent-0", tmp_path / "one")
    assert first.startswith("agent-0.")
    assert identity("agent-0", tmp_path / "one") == first
    assert identity("agent-0", tmp_path / "two") != first
    assert identity("agent-1", tmp_path / "one") != first


def test_a_file_that_was_not_written_whole_names_the_agent_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text("")
    assert identity("agent-0", tmp_path) == "agent-0"
