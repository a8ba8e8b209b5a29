"""Options of multiple-choice questions: their letters, the order in which they are shown, and what that does to the
references. What is sent and what is scored both come from here."""

import hashlib
import re
import string
from collections.abc import Mapping, Sequence

from vhb_shared.errors import UserError

MOST_CHOICES = len(string.ascii_uppercase)
_LETTER = re.compile(r"(\s*[(\[]?)([A-Za-z])([)\].:]?\s*)")


def option_lines(choices: Sequence[str]) -> str:
    """`A. first option` and so on, a line each; empty without options.

    Raises:
        UserError: more options than letters.
    """
    if len(choices) > MOST_CHOICES:
        raise UserError(f"a question with {len(choices)} options; at most {MOST_CHOICES} can have a letter")
    return "\n".join(f"{letter}. {text}" for letter, text in zip(string.ascii_uppercase, choices, strict=False))


def choices_of(sample: Mapping[str, object]) -> tuple[str, ...]:
    """The options of a row; empty where it is no multiple-choice question."""
    stored = sample.get("choices")
    return tuple(str(choice) for choice in stored) if isinstance(stored, (list, tuple)) else ()


def question_of(sample: Mapping[str, object]) -> str:
    """The data set's own question with its options below it; empty where there is neither.

    Raises:
        UserError: more options than letters.
    """
    question = sample.get("question")
    return "\n".join(filter(None, ("" if question is None else str(question), option_lines(choices_of(sample)))))


def shown_order(sample: str, count: int, *, seed: int | None, rotation: int) -> list[int]:
    """Which option stands at each place: `[2, 0, 1]` shows the third one first.

    Hashes rather than a generator of random numbers: the same on every machine and in every version of Python.

    Args:
        sample: id in the data set.
        count: options.
        seed: of the shuffling; None leaves the data set's order.
        rotation: by so many places, after the shuffling.
    """
    order = list(range(count))
    if seed is not None:
        order.sort(key=lambda place: hashlib.sha256(f"{seed}\0{sample}\0{place}".encode()).digest())
    by = rotation % count if count else 0
    return order[by:] + order[:by]


def shown_reference(reference: str, choices: Sequence[str], order: Sequence[int]) -> str:
    """A reference as it is right for the options as shown: a letter becomes the letter at which its option stands;
    the text of an option stays.

    Args:
        reference: as in the data set.
        choices: in the data set's order.
        order: from `shown_order`.
    """
    place, found = letter_place(reference, choices), _LETTER.fullmatch(reference)
    if place is None or found is None:
        return reference
    before, letter, after = found.groups()
    shown = string.ascii_uppercase[order.index(place)]
    return f"{before}{shown if letter.isupper() else shown.lower()}{after}"


def letter_place(reference: str, choices: Sequence[str]) -> int | None:
    """The option that a reference names by its letter ("B", "(B)", "b."); None where it does not.

    What can be both, as "B" where an option reads "B", is a letter when it stands alone, as metrics read it.
    """
    found = _LETTER.fullmatch(reference)
    if found is None:
        return None
    if reference in choices and len(reference.strip()) > 1:
        return None
    place = string.ascii_uppercase.index(found[2].upper())
    return place if place < len(choices) else None


def options_problem(choices: Sequence[str], references: Sequence[str]) -> str | None:
    """Why the options of a sample cannot be shown in another order, if so."""
    if len(choices) > MOST_CHOICES:
        return f"it has {len(choices)} options; at most {MOST_CHOICES} can have a letter"
    texts = {_plain(choice) for choice in choices}
    for reference in references:
        if choices and letter_place(reference, choices) is None and _plain(reference) not in texts:
            last = string.ascii_uppercase[len(choices) - 1]
            return f'its reference "{reference[:60]}" is neither a letter (A to {last}) nor the text of an option'
    return None


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
