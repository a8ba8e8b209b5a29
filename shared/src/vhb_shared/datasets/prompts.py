"""What a model is asked about one sample: which prompt counts, and its text."""

import json
from collections.abc import Iterator, Mapping

import polars as pl

from vhb_shared.contracts.job import PromptPair, PromptSet, TaskEntry
from vhb_shared.datasets.options import MOST_CHOICES, question_of
from vhb_shared.datasets.table import nearest
from vhb_shared.errors import UserError

_NO_PAIR = PromptPair()


def prompt_key(doc_class: object, question_type: object) -> str:
    """The key of `PromptSet.by_class_question`: joined, never split (names contain spaces)."""
    return f"{doc_class or ''} {question_type or ''}".strip()


def render_prompt(task: TaskEntry, sample: Mapping[str, object]) -> tuple[str | None, str]:
    """The system prompt (None: there is none) and the user prompt of one sample.

    User prompt, the first there is: fixed > by (class, question type) > by class > the task's `prompt` > the
    collection's general one > the data set's own question. System prompt: fixed > by class > the task's
    `system_prompt` > the collection's general one. All but the data set's question are templates.

    Args:
        task: with `prompts` resolved to content (`prompt_files.read_prompts`).
        sample: a row of a run (`variants.RUN_SCHEMA`); its `choices` are as shown. The data set's question is asked
            with its options below it.

    Raises:
        UserError: no prompt for this sample, or a template that fails.
    """
    prompts = _prompts(task)
    by_class = prompts.by_class.get(str(sample.get("doc_class") or ""), _NO_PAIR)
    system = _first(prompts.fixed_system_prompt, by_class.system_prompt, task.system_prompt, prompts.system_prompt)
    user = _first(
        prompts.fixed_prompt,
        prompts.by_class_question.get(prompt_key(sample.get("doc_class"), sample.get("question_type"))),
        by_class.user_prompt,
        task.prompt,
        prompts.user_prompt,
    )
    rendered_system = _rendered(system, sample) if system is not None else None
    if user is not None:
        return rendered_system, _rendered(user, sample)
    question = question_of(sample)
    if not question:
        raise UserError(_no_prompt(task, f"sample {sample.get('id')}"))
    return rendered_system, question


def check_prompts(task: TaskEntry, samples: pl.LazyFrame) -> None:
    """Checks that every sample gets a prompt, before anything runs. Blocks: call it in a thread.

    Args:
        task: with `prompts` resolved to content.
        samples: the run's samples (`selection.select_samples`).

    Raises:
        UserError: all templates that are wrong; or samples without a prompt, with their number.
    """
    problems = _template_problems(task, samples)
    if problems:
        named = tuple(f"task {task.name!r}: {problem}" for problem in problems)
        raise UserError(named[0], problems=named)
    # One sample stands for all of its kind: only these fields decide which prompt is taken, and whether there is one.
    options = pl.col("choices").list.len().fill_null(0)
    kinds = (
        samples.with_columns(
            (pl.col("question").fill_null("").eq("") & (options == 0)).alias("no_question"),
            (options > MOST_CHOICES).alias("too_many_options"),
        )
        .group_by("doc_class", "question_type", "no_question", "too_many_options")
        .agg(
            pl.len().alias("count"),
            *(pl.col(name).first() for name in ("id", "question", "index", "choices", "fields")),
        )
        .sort("index")
        .collect()
    )
    missing = 0
    for kind in kinds.iter_rows(named=True):
        try:
            render_prompt(task, kind)
        except UserError as error:
            if not kind["no_question"]:
                raise UserError(f"task {task.name!r}: {error}") from error
            missing += kind["count"]
            said = str(error).removeprefix(_no_prompt(task, f"sample {kind['id']}").removesuffix(_UNCOVERED))
            problems.append(
                f'no prompt for {_samples(kind["count"])} of class "{kind["doc_class"] or ""}" and question type '
                f'"{kind["question_type"] or ""}", the first is {kind["id"]}: {said}'
            )
    if problems:
        rest = len(problems) - 20
        more = (f"and {rest} more kinds of sample",) if rest > 0 else ()
        raise UserError(_no_prompt(task, _samples(missing)), problems=(*problems[:20], *more))


def _template_problems(task: TaskEntry, samples: pl.LazyFrame) -> list[str]:
    """Templates that cannot be compiled, and names in them that the data set has not."""
    problems: list[str] = []
    named: dict[str, str] = {}
    for text in filter(is_template, _templates(task)):
        from vhb_shared.datasets.templates import compile_template

        try:
            named |= dict.fromkeys(compile_template(text).columns, text)
        except UserError as error:
            problems.append(str(error))
    if named:
        from vhb_shared.datasets.templates import VARIABLES

        columns = _columns(samples)
        known = (*VARIABLES, *columns)
        for name in sorted(named.keys() - set(columns)):
            shown = named[name] if len(named[name]) <= 60 else named[name][:57] + "..."
            problems.append(
                f'prompt template {shown!r}: samples have no "{name}"{nearest(name, known)}; there are: '
                f"{', '.join(known)}"
            )
    return problems


def _columns(samples: pl.LazyFrame) -> list[str]:
    """Names of the data set's other columns: those that any of these samples has."""

    def names(column: pl.Series) -> pl.Series:
        return pl.Series([list(json.loads(row)) for row in column], dtype=pl.List(pl.String))

    found = samples.select("fields").drop_nulls().select(
        pl.col("fields").map_batches(names, return_dtype=pl.List(pl.String), is_elementwise=True)
    )  # fmt: skip
    return sorted(found.explode("fields").unique().drop_nulls().collect(engine="streaming").to_series())


def is_template(text: str) -> bool:
    """Whether a prompt has anything to fill in; other text goes out as it is."""
    return "{{" in text or "{%" in text or "{#" in text


def _rendered(text: str, sample: Mapping[str, object]) -> str:
    if not is_template(text):
        return text
    from vhb_shared.datasets.templates import render_template  # Jinja2 takes a tenth of a second to import

    return render_template(text, sample)


_UNCOVERED = (
    "the data set has no question there and no prompt covers it; give the task a `prompt:`, or complete its `prompts:`"
)


def _no_prompt(task: TaskEntry, which: str) -> str:
    return f"task {task.name!r}: no prompt for {which}: {_UNCOVERED}"


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"


def _prompts(task: TaskEntry) -> PromptSet:
    if isinstance(task.prompts, str):
        raise UserError(f"task {task.name!r}: prompts {task.prompts!r} were not read; name a file beside the job")
    return task.prompts or PromptSet()


def _templates(task: TaskEntry) -> Iterator[str]:
    prompts = _prompts(task)
    pairs = [value for pair in prompts.by_class.values() for value in (pair.user_prompt, pair.system_prompt)]
    general = (prompts.fixed_prompt, prompts.fixed_system_prompt, prompts.user_prompt, prompts.system_prompt)
    for text in (task.prompt, task.system_prompt, *general, *pairs, *prompts.by_class_question.values()):
        if text is not None:
            yield text


def _first(*prompts: str | None) -> str | None:
    """The first that says anything: an empty cell in a collection gives way to the next."""
    return next((prompt for prompt in prompts if prompt is not None and prompt.strip()), None)
