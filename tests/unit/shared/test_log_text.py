"""Lines of strangers as they are shown."""

from vhb_shared.log_text import LINE_CHARACTERS, clean_line, level_of, lines_of


def test_of_what_was_written_over_the_last_is_shown() -> None:
    assert lines_of("a\r\nb 10%\rb 20%\rb 30%\n\n  \nc") == ["a", "b 30%", "c"]


def test_a_line_is_plain_and_short() -> None:
    assert clean_line("\x1b[31mred\x1b[0m \x1b]0;title\x07\tx\x00y\u202ez") == "red     x\ufffdy\ufffdz"
    assert clean_line("x" * LINE_CHARACTERS) == "x" * LINE_CHARACTERS
    assert clean_line("x" * 10_000) == "x" * LINE_CHARACTERS + "… (9000 more characters)"


def test_levels() -> None:
    assert level_of("(EngineCore pid=1) ERROR 11-24 03:46:50 [core.py:1] failed") == "error"
    assert level_of("ValueError: no such thing") == "error"
    assert level_of("Traceback (most recent call last):") == "error"
    assert level_of("WARNING 11-24 slow tokenizer") == "warning"
    assert level_of("errors: 0") == "info"
