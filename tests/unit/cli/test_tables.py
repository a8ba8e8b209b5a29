"""Tables in narrow windows: names stay whole, columns that can be spared go first."""

import io

from rich.console import Console

from vhb.screen import narrowed, table

COLUMNS = ("name", "model", "from", "description")
ROWS = [("a-model-with-a-name", "organisation/a-model-with-a-name", "built in", "What it is good for, in a sentence.")]


def kept(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    return [COLUMNS[n] for n in narrowed(console, COLUMNS, ROWS, ("from", "model"))]


def test_what_can_be_spared_goes_in_the_order_given() -> None:
    assert kept(200) == list(COLUMNS)
    assert kept(90) == ["name", "model", "description"]
    assert kept(60) == kept(20) == ["name", "description"]


def test_the_first_column_is_never_broken() -> None:
    out = io.StringIO()
    shown = table("name", "description")
    shown.add_row(ROWS[0][0], "word " * 30)
    Console(file=out, width=40).print(shown)
    assert "a-model-with-a-name" in out.getvalue()


def test_brackets_are_text_and_no_markup() -> None:
    out = io.StringIO()
    shown = table("run", "anls[pass@1]", right=("anls[pass@1]",))
    shown.add_row("[red]a run", "[bold]1")
    Console(file=out, width=80).print(shown)
    assert out.getvalue().split() == ["run", "anls[pass@1]", "[red]a", "run", "[bold]1"]
