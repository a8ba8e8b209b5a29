"""A filled-in form: numbered sections, printed labels, boxes with values in blue."""

import random
from collections.abc import Callable
from datetime import date

from PIL import Image

from drawing import content
from drawing.page import WHITE, Cell, Colour, Page

WIDTH, HEIGHT = 708, 1000
LEFT, RIGHT = 48, 660
SHADE: Colour = (226, 232, 238)
EDGE: Colour = (90, 96, 104)
PEN: Colour = (24, 44, 140)
PITCH = 46

Field = tuple[str, str]
Section = tuple[str, list[list[Field]]]


def draw(rng: random.Random) -> tuple[Image.Image, str]:
    """A form and its text."""
    page = Page(WIDTH, HEIGHT)
    title, sections = rng.choice(FORMS)(rng)
    page.box(LEFT, 40, RIGHT, 104, fill=(38, 60, 84))
    page.write(
        80,
        Cell(LEFT + 16, title, 24, bold=True, colour=WHITE),
        Cell(RIGHT - 16, f"Form {rng.choice('ABCDE')}-{rng.randint(10, 99)}", 17, align="right", colour=WHITE),
    )
    page.write(132, Cell(LEFT, "Please complete in capital letters and return to the office.", 15))
    y = 150.0
    for number, (heading, rows) in enumerate(sections, start=1):
        page.box(LEFT, y, RIGHT, y + 32, fill=SHADE)
        page.write(y + 22, Cell(LEFT + 10, f"{number}. {heading}", 17, bold=True))
        y += 42
        for row in rows:
            _fields(page, y, row)
            y += PITCH
        y += 6
    y += 24
    signed = date(2026, 1, rng.randint(5, 30))
    page.write(y, Cell(LEFT, "I confirm that the above is correct.", 15))
    y += 40
    _fields(page, y - 22, [("Date", f"{signed:%d.%m.%Y}"), ("Place", rng.choice(content.CITIES)[0].upper())])
    return page.image(y + 52), page.text


def _fields(page: Page, top: float, row: list[Field]) -> None:
    """One line of the form: each label followed by its box."""
    slot = (RIGHT - LEFT - 16 * (len(row) - 1)) / len(row)
    cells = []
    for position, (label, value) in enumerate(row):
        x = LEFT + position * (slot + 16)
        indent = 150 if len(row) == 1 else 124
        page.box(x + indent, top, x + slot, top + 34, outline=EDGE)
        cells += [Cell(x + 4, label, 15), Cell(x + indent + 12, value, 17, colour=PEN)]
    page.write(top + 23, *cells)


def _registration(rng: random.Random) -> tuple[str, list[Section]]:
    who, home = content.person(rng), content.address(rng)
    return "Membership Application", [
        (
            "Personal details",
            [
                [("Surname", who.last.upper()), ("First name", who.first.upper())],
                [
                    ("Date of birth", f"{who.birthday:%d.%m.%Y}"),
                    ("Nationality", rng.choice(("BRITISH", "IRISH", "DUTCH"))),
                ],
                [("Passport number", f"{rng.choice('CFHK')}{content.digits(rng, 8)}")],
            ],
        ),
        (
            "Contact",
            [
                [("Street", home.street.upper())],
                [("Town", home.city.upper())],
                [("Telephone", content.phone(rng))],
                [("E-mail", who.email)],
            ],
        ),
        (
            "Payment",
            [
                [("Plan", rng.choice(("YEARLY", "MONTHLY"))), ("Amount", content.money(rng.randrange(1500, 40_000)))],
                [("Account number", content.account(rng))],
            ],
        ),
    ]


def _claim(rng: random.Random) -> tuple[str, list[Section]]:
    who, happened = content.person(rng), content.day(rng)
    return "Insurance Claim", [
        (
            "Policy holder",
            [
                [("Full name", who.full.upper())],
                [("Policy number", content.digits(rng, 3, 4, 3))],
                [("Telephone", content.phone(rng))],
            ],
        ),
        (
            "Incident",
            [
                [("Date", f"{happened:%d.%m.%Y}"), ("Time", f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}")],
                [("Place", content.address(rng).street.upper())],
                [("Cause", rng.choice(("WATER DAMAGE", "BROKEN WINDOW", "KITCHEN FIRE", "STOLEN BICYCLE")))],
                [("Police informed", rng.choice(("YES", "NO"))), ("Witnesses", rng.choice(("NONE", "ONE", "TWO")))],
            ],
        ),
        (
            "Amount claimed",
            [
                [("Repair", content.money(rng.randrange(9000, 300_000))), ("Currency", rng.choice(content.CURRENCIES))],
                [("Account number", content.account(rng))],
            ],
        ),
    ]


def _delivery(rng: random.Random) -> tuple[str, list[Section]]:
    sender, receiver, sent = content.address(rng), content.address(rng), content.day(rng)
    who = content.person(rng)
    return "Parcel Declaration", [
        (
            "Sender",
            [
                [("Company", rng.choice(content.FIRMS).upper())],
                [("Street", sender.street.upper())],
                [("Town", sender.city.upper())],
            ],
        ),
        (
            "Recipient",
            [
                [("Name", who.full.upper())],
                [("Street", receiver.street.upper())],
                [("Town", receiver.city.upper())],
                [("Country", receiver.country.upper())],
            ],
        ),
        (
            "Contents",
            [
                [("Description", rng.choice(("BOOKS AND PAPER", "SPARE PARTS", "CLOTHING", "PRINTED MATTER")))],
                [("Weight in kg", f"{rng.randint(1, 29)}.{rng.randint(0, 9)}"), ("Pieces", str(rng.randint(1, 12)))],
                [("Value", content.money(rng.randrange(1000, 90_000), "EUR")), ("Ship date", f"{sent:%d.%m.%Y}")],
            ],
        ),
    ]


FORMS: tuple[Callable[[random.Random], tuple[str, list[Section]]], ...] = (_registration, _claim, _delivery)
