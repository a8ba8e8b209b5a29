"""Answers, references and names are strangers' text: shown, bounded, inert."""

from html.parser import HTMLParser

import pytest

from vhb_reporter import inert
from vhb_reporter.formats import code_block
from vhb_shared.contracts.job import ModelEntry, TaskEntry

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></textarea><svg/onload=alert(1)>",
    "javascript:alert(1) [x](javascript:alert(1)) ![y](http://evil.example/p.png)",
    "nul \x00 escape \x1b[31m bell \x07 c1 \x9b",
    "right \u202eot left\u202c \u2066isolate\u2069 \u200bzero\ufeff",
    "{{ 7 * 7 }} {% raw %} ${x} &lt;b&gt; &amp;",
    "| pipe | table |\n\n# heading\n\n```\nfence\n```\n<b>html</b>",
]
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Strict(HTMLParser):
    """Collects every tag and attribute, and whether tags are balanced."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def parsed(page: str) -> Strict:
    parser = Strict()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def assert_inert(page: str) -> Strict:
    """No scripts, handlers, links or loads, whatever the text says."""
    parser = parsed(page)
    for tag, attributes in parser.tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "form", "base", "use", "b0"}, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href", "action", "formaction", "srcset", "poster"}:
                ours = ("#", "data:image/jpeg;base64,", "samples.html")
                assert value and value.startswith(ours), (tag, value)
    policies = [
        a["content"] for t, a in parser.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies and policies[0].startswith("default-src 'none';") and "script-src" not in policies[0]
    assert not any(ord(char) < 32 and char not in "\n\t" for char in page)
    assert not set(page) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff\x7f\x9b")
    return parser


async def test_hostile_answers_are_shown_as_text(world) -> None:
    await world.dataset(len(HOSTILE))
    await world.answer(world.plan_run("one"), HOSTILE, [1.0] * len(HOSTILE))
    files = await world.job()
    text = "".join(assert_inert(files["report.html"]).text)
    assert "<script>alert(1)</script>" in text
    assert "\u27e8U+202E\u27e9" in text and "nul \u27e8U+0000\u27e9 escape \u27e8U+001B\u27e9[31m" in text


async def test_hostile_names_questions_references_and_errors(world) -> None:
    await world.dataset(len(HOSTILE))
    for sample, evil in zip(world.samples, HOSTILE, strict=True):
        sample |= {"id": evil, "question": evil, "references": [evil, evil], "doc_class": evil, "question_type": evil}
    await world.save_samples()
    evil = HOSTILE[1].replace("/", "")
    task = TaskEntry(name=evil, dataset=HOSTILE[0], metrics=("cer",), prompt=HOSTILE[2], system_prompt=HOSTILE[5])
    model = ModelEntry(name=evil, engine_args={HOSTILE[0]: HOSTILE[1]}, description=HOSTILE[2])
    errors = dict(enumerate(HOSTILE))
    await world.answer(world.plan_run(model, task), [None] * len(HOSTILE), [None] * len(HOSTILE), errors=errors)
    world.fail(world.plan_run("broken", name=HOSTILE[2]), HOSTILE[2] + HOSTILE[5])
    files = await world.job(HOSTILE[0])
    assert_inert(files["report.html"])
    for line in files["report.md"].splitlines():
        assert ("<script" not in line and "<img" not in line and "<svg" not in line) or line in HOSTILE[2]


async def test_markdown_of_hostile_answers_stays_in_its_blocks_and_cells(world) -> None:
    await world.dataset(len(HOSTILE))
    await world.answer(world.plan_run("one"), [None] * 8, [None] * 8, errors=dict(enumerate(HOSTILE)))
    text = (await world.job())["report.md"]
    rows = text.split("## Failures")[1].split("\n\n")[2].splitlines()
    assert len(rows) == 2 + len(HOSTILE)
    for row in rows:
        assert row.replace("\\|", "").count("|") == 5
    assert not any(line.startswith("# heading") for line in text.splitlines())


async def test_a_huge_answer_is_cut_and_says_so(world) -> None:
    await world.dataset(2)
    await world.answer(world.plan_run("one"), ["A" * 5_000_000, "<b>" * 1_000_000], [1.0, 1.0])
    files = await world.job()
    assert len(files["report.html"]) < 250_000 and len(files["report.md"]) < 20_000
    assert "of 5,000,000 characters" in files["report.html"]
    assert_inert(files["report.html"])


async def test_a_huge_error_and_many_references_are_cut(world) -> None:
    await world.dataset(2)
    for sample in world.samples:
        sample["references"] = [f"reference {number}" * 1000 for number in range(500)]
        sample["question"] = "Q" * 1_000_000
    await world.save_samples()
    await world.answer(world.plan_run("one"), [None, "x"], [None, 1.0], errors={0: "E" * 1_000_000})
    files = await world.job()
    assert len(files["report.html"]) < 250_000 and len(files["report.md"]) < 30_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b\nc", "a\\|b c"),
        ("1. not a list", "1\\. not a list"),
        ("- not a list", "\\- not a list"),
        ("-0.5 and 0.25", "-0.5 and 0.25"),
        ("# no heading", "\\# no heading"),
        ("snake_case _em_", "snake_case \\_em\\_"),
        ("<b> & [x](y)", "&lt;b&gt; &amp; \\[x\\](y)"),
        ("http://x www.y @z", "http&#58;//x www&#46;y &#64;z"),
    ],
)
def test_markdown_escaping(text: str, expected: str) -> None:
    assert inert.markdown(text) == expected


def test_a_code_block_cannot_be_closed_from_inside() -> None:
    lines = code_block("a\n````\nb").splitlines()
    assert lines[0] == "`````text" and lines[-1] == "`````" and lines[1:-1] == ["a", "````", "b"]


def test_joiners_that_scripts_need_are_kept() -> None:
    assert (
        inert.visible("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )
