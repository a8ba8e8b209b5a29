"""A till receipt: a narrow strip with goods, a total and how it was paid."""

import random

from PIL import Image

from drawing import content
from drawing.page import INK, Cell, Page

WIDTH = 600
LEFT, RIGHT = 62, 538
TEXT = 18


def draw(rng: random.Random) -> tuple[Image.Image, str]:
    """A receipt and its text."""
    page = Page(WIDTH, 1000, (253, 252, 248))
    centre = WIDTH / 2
    shop, place, bought = rng.choice(content.SHOPS), content.address(rng), content.day(rng)
    y = 64.0
    page.write(y, Cell(centre, shop.upper(), 32, bold=True, align="centre"))
    for text in (place.street, place.city, f"Tel. {content.phone(rng)}"):
        y += 28
        page.write(y, Cell(centre, text, TEXT, align="centre"))
    page.dashes(y + 16, LEFT, RIGHT)
    y += 46
    when = f"{bought:%d/%m/%Y} {rng.randint(8, 21):02d}:{rng.randint(0, 59):02d}"
    page.write(y, Cell(LEFT, when, TEXT), Cell(RIGHT, f"Receipt {content.digits(rng, 6)}", TEXT, align="right"))
    y += 28
    clerk = f"Cashier: {rng.choice(content.FIRST_NAMES)}"
    page.write(y, Cell(LEFT, clerk, TEXT), Cell(RIGHT, f"Till {rng.randint(1, 9)}", TEXT, align="right"))
    page.dashes(y + 16, LEFT, RIGHT)
    y += 46
    _goods(page, y, ("Item", "Qty", "Price", "Amount"))
    currency, total = rng.choice(content.CURRENCIES), 0
    for name, price in rng.sample(content.GOODS, rng.randint(6, 9)):
        count = rng.choice((1, 1, 1, 2, 3))
        total += count * price
        y += 30
        _goods(page, y, (name, str(count), content.money(price), content.money(count * price)))
    page.dashes(y + 16, LEFT, RIGHT)
    y += 54
    page.write(
        y,
        Cell(LEFT, "TOTAL", 26, bold=True),
        Cell(RIGHT, content.money(total, currency), 26, bold=True, align="right"),
    )
    y += 34
    net = round(total / 1.2)
    for label, cents in (("Net amount", net), ("VAT 20%", total - net)):
        page.write(y, Cell(LEFT, label, TEXT), Cell(RIGHT, content.money(cents), TEXT, align="right"))
        y += 28
    y = _payment(page, rng, y, total)
    page.dashes(y - 8, LEFT, RIGHT)
    y += 28
    farewell = rng.choice(("Thank you for your visit!", "Have a nice day!", "Please keep your receipt."))
    page.write(y, Cell(centre, farewell, TEXT, align="centre"))
    _barcode(page, rng, y + 24)
    return page.image(y + 104), page.text


def _goods(page: Page, y: float, row: tuple[str, str, str, str]) -> None:
    name, *numbers = row
    columns = zip((296, 408, RIGHT), numbers, strict=True)
    page.write(y, Cell(LEFT, name, TEXT), *(Cell(x, text, TEXT, align="right") for x, text in columns))


def _payment(page: Page, rng: random.Random, y: float, total: int) -> float:
    if rng.random() < 0.5:
        page.write(
            y,
            Cell(LEFT, "Paid by card", TEXT),
            Cell(RIGHT, f"Card ending {content.digits(rng, 4)}", TEXT, align="right"),
        )
        return y + 28
    given = -(-total // 2000) * 2000
    for label, cents in (("Cash", given), ("Change", given - total)):
        page.write(y, Cell(LEFT, label, TEXT), Cell(RIGHT, content.money(cents), TEXT, align="right"))
        y += 28
    return y


def _barcode(page: Page, rng: random.Random, top: float) -> None:
    x = 150.0
    while x < WIDTH - 150:
        bar = rng.choice((1.5, 1.5, 3.0, 4.5))
        page.box(x, top, x + bar, top + 46, fill=INK)
        x += bar + rng.choice((1.5, 3.0, 4.5))
