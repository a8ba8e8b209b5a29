"""An invoice: a letterhead, a ruled table of articles, totals and where to pay."""

import random
from datetime import timedelta

from PIL import Image

from drawing import content
from drawing.page import INK, WHITE, Cell, Colour, Page

WIDTH, HEIGHT = 708, 1000
LEFT, RIGHT = 56, 652
GREY: Colour = (96, 98, 104)
ACCENTS: tuple[Colour, ...] = ((24, 78, 119), (122, 39, 48), (32, 96, 72), (70, 56, 110))


def draw(rng: random.Random) -> tuple[Image.Image, str]:
    """An invoice and its text."""
    page, accent = Page(WIDTH, HEIGHT), rng.choice(ACCENTS)
    firm, issued = rng.choice(content.FIRMS), content.day(rng)
    _letterhead(page, rng, firm, accent)
    y = 176.0
    page.write(
        y,
        Cell(LEFT, f"Invoice no. INV-{issued.year}-{content.digits(rng, 4)}", bold=True),
        Cell(RIGHT, f"Date: {issued.isoformat()}", align="right"),
    )
    y += 28
    due = issued + timedelta(days=rng.choice((14, 30)))
    page.write(
        y,
        Cell(LEFT, f"Customer no. {content.digits(rng, 5)}"),
        Cell(RIGHT, f"Payment due: {due.isoformat()}", align="right"),
    )
    buyer, home = content.person(rng), content.address(rng)
    y += 44
    page.write(y, Cell(LEFT, "Bill to:", bold=True, colour=accent))
    for text in (buyer.full, home.street, f"{home.city}, {home.country}"):
        y += 26
        page.write(y, Cell(LEFT, text))
    currency = rng.choice(content.CURRENCIES)
    y, net = _table(page, rng, y + 36, accent)
    rate = rng.choice((5, 10, 20, 21))
    tax = round(net * rate / 100)
    y += 36
    for label, cents in (("Subtotal", net), (f"VAT {rate}%", tax)):
        page.write(y, Cell(420, label), Cell(RIGHT - 10, content.money(cents), align="right"))
        y += 28
    page.rule(y - 14, 410, RIGHT, accent, 1.5)
    y += 12
    page.write(
        y,
        Cell(420, "Total due", 18, bold=True),
        Cell(RIGHT - 10, content.money(net + tax, currency), 18, bold=True, align="right"),
    )
    page.rule(884, LEFT, RIGHT, GREY)
    for y, text in (
        (912, f"Please pay to account {content.account(rng)}"),
        (938, f"Reference {content.digits(rng, 4, 4)}, {rng.choice(('Fairmont', 'Union', 'Meadow'))} Bank"),
        (964, "Goods remain our property until paid in full."),
    ):
        page.write(y, Cell(LEFT, text, 15, colour=GREY))
    return page.image(), page.text


def _letterhead(page: Page, rng: random.Random, firm: str, accent: Colour) -> None:
    page.box(0, 0, WIDTH, 12, fill=accent)
    if rng.random() < 0.5:
        page.polygon([(LEFT, 84), (LEFT + 20, 46), (LEFT + 40, 84)], accent)
    else:
        page.ellipse(LEFT, 46, LEFT + 40, 86, accent)
        page.ellipse(LEFT + 13, 59, LEFT + 27, 73, WHITE)
    page.write(72, Cell(LEFT + 54, firm, 26, bold=True, colour=accent), Cell(RIGHT, "INVOICE", 26, align="right"))
    seat = content.address(rng)
    page.write(116, Cell(LEFT, f"{seat.street}, {seat.city}, {seat.country}", 15, colour=GREY))
    page.rule(134, LEFT, RIGHT, accent, 1.5)


def _table(page: Page, rng: random.Random, top: float, accent: Colour) -> tuple[float, int]:
    """Draws the articles; gives the bottom edge and the sum in cents."""
    pitch, columns = 32, (LEFT, 98, 386, 448, 544, RIGHT)
    articles = rng.sample(content.ARTICLES, rng.randint(4, 7))
    page.box(LEFT, top, RIGHT, top + pitch, fill=accent)
    y, total = top + 22, 0
    page.write(
        y,
        Cell(LEFT + 10, "No.", colour=WHITE, bold=True),
        Cell(columns[1] + 10, "Description", colour=WHITE, bold=True),
        Cell(columns[3] - 10, "Qty", align="right", colour=WHITE, bold=True),
        Cell(columns[4] - 10, "Price", align="right", colour=WHITE, bold=True),
        Cell(columns[5] - 10, "Amount", align="right", colour=WHITE, bold=True),
    )
    for number, (name, price) in enumerate(articles, start=1):
        count = rng.randint(1, 12)
        total += count * price
        y += pitch
        if number % 2 == 0:
            page.box(LEFT, y - 22, RIGHT, y - 22 + pitch, fill=(240, 243, 246))
        page.write(
            y,
            Cell(LEFT + 16, str(number)),
            Cell(columns[1] + 10, name),
            Cell(columns[3] - 10, str(count), align="right"),
            Cell(columns[4] - 10, content.money(price), align="right"),
            Cell(columns[5] - 10, content.money(count * price), align="right"),
        )
        page.rule(y - 22, LEFT, RIGHT, GREY, 0.5)
    bottom = top + pitch * (len(articles) + 1)
    page.box(LEFT, top, RIGHT, bottom, outline=INK)
    for x in columns[1:-1]:
        page.box(x, top + pitch, x + 1, bottom, fill=GREY)
    return bottom, total
