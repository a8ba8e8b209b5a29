"""A business letter: a letterhead, an address, a subject, paragraphs and a signature."""

import math
import random
from datetime import timedelta

from PIL import Image

from drawing import content
from drawing.page import Cell, Colour, Page

WIDTH, HEIGHT = 708, 1000
LEFT, RIGHT = 76, 632
GREY: Colour = (92, 94, 100)
PEN: Colour = (30, 48, 130)
COLUMN = 68
"""Characters a line of body text may have."""

OCCASIONS = (
    (
        2,
        "Your order {number}",
        "Thank you for your order. We are pleased to confirm that all items are in stock and will leave our "
        "warehouse on {date} or within {days} working days of it. The parcel will be sent to the address shown above.",
        "The amount of {amount} has been charged to your account. If any of the details are wrong, please call us on "
        "{phone} before the goods are shipped.",
    ),
    (
        60,
        "Change of your contract {number}",
        "From {date} the monthly fee for your contract will be {amount}. The new fee covers maintenance, spare parts "
        "and one visit by our technician every quarter.",
        "You may cancel the contract within {days} days of receiving this letter. In that case please send us a short "
        "note, or call our office on {phone}.",
    ),
    (
        9,
        "Invitation to interview, reference {number}",
        "We have read your application with interest and would like to meet you on {date} at our office. Please allow "
        "about two hours, and bring your certificates with you.",
        "Your travel costs will be refunded up to {amount}. Let us know within {days} days whether you can come; our "
        "number is {phone}.",
    ),
    (
        -20,
        "Reminder: payment for {number}",
        "According to our records the payment of {amount}, which was due on {date}, has not reached us yet. Perhaps "
        "our invoice was overlooked. A copy is enclosed for your convenience.",
        "Please transfer the amount within {days} days. If your payment has crossed with this letter, kindly "
        "disregard it. For any questions call {phone}.",
    ),
)


def draw(rng: random.Random) -> tuple[Image.Image, str]:
    """A letter and its text."""
    page = Page(WIDTH, HEIGHT, (254, 253, 250))
    firm, seat = rng.choice(content.FIRMS), content.address(rng)
    reader, home, author, written = content.person(rng), content.address(rng), content.person(rng), content.day(rng)
    accent = rng.choice(((20, 60, 100), (110, 30, 40), (60, 60, 66)))
    page.write(72, Cell(WIDTH / 2, firm, 28, bold=True, align="centre", colour=accent))
    page.write(102, Cell(WIDTH / 2, f"{seat.street}, {seat.city}, {seat.country}", 15, align="centre", colour=GREY))
    page.rule(118, LEFT, RIGHT, accent, 1.5)
    page.rule(121, LEFT, RIGHT, accent, 0.5)
    y = 172.0
    for text in (reader.full, home.street, home.city, home.country):
        page.write(y, Cell(LEFT, text))
        y += 26
    y += 18
    page.write(y, Cell(RIGHT, content.long_date(written), align="right"))

    offset, *texts = rng.choice(OCCASIONS)
    other_day = written + timedelta(days=offset)
    subject, *paragraphs = (
        text.format(
            number=f"{rng.choice('ABCKMRT')}{content.digits(rng, 5)}",
            date=content.long_date(other_day),
            days=rng.choice((5, 10, 14, 21)),
            amount=content.money(rng.randrange(1500, 250_000), rng.choice(content.CURRENCIES)),
            phone=content.phone(rng),
        )
        for text in texts
    )
    y += 46
    page.write(y, Cell(LEFT, subject, 18, bold=True))
    y += 44
    page.write(y, Cell(LEFT, f"Dear {rng.choice(('Ms', 'Mr', 'Dr'))} {reader.last},"))
    for paragraph in paragraphs:
        y += 12
        for line in _wrapped(paragraph):
            y += 28
            page.write(y, Cell(LEFT, line))
    y += 48
    page.write(y, Cell(LEFT, rng.choice(("Yours sincerely,", "Kind regards,", "With best wishes,"))))
    _signature(page, rng, LEFT + 6, y + 42)
    y += 86
    page.write(y, Cell(LEFT, author.full, bold=True))
    page.write(y + 26, Cell(LEFT, rng.choice(("Customer Service", "Head of Accounts", "Managing Director"))))
    page.rule(938, LEFT, RIGHT, GREY, 0.5)
    page.write(
        964, Cell(LEFT, content.phone(rng), 14, colour=GREY), Cell(RIGHT, author.email, 14, align="right", colour=GREY)
    )
    return page.image(), page.text


def _wrapped(paragraph: str) -> list[str]:
    lines = [""]
    for word in paragraph.split():
        if len(lines[-1]) + len(word) >= COLUMN:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _signature(page: Page, rng: random.Random, x: float, y: float) -> None:
    """A pen stroke that no reader takes for letters: loops that flatten into a flourish."""
    length, phase, loops = rng.uniform(130, 180), rng.uniform(0, 3), rng.uniform(1.5, 2.5)
    points = []
    for step in range(240):
        t = step / 239
        swing = (1 - t) ** 1.3 * 20
        sway = 9 * math.sin(4 * math.pi * loops * t)
        points.append((x + length * t + sway, y - swing * math.sin(2 * math.pi * loops * t + phase)))
    page.curve(points, PEN, 1.6)
