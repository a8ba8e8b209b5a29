"""What is written on the documents: invented people, firms, goods, dates, amounts and numbers."""

import random
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_NAMES = ("Elena", "Marcus", "Priya", "Thomas", "Ingrid", "Daniel", "Sofia", "Victor", "Hannah", "Omar", "Clara")
LAST_NAMES = (
    "Novak",
    "Fischer",
    "Raman",
    "Whitfield",
    "Lindqvist",
    "Moreau",
    "Castellano",
    "Petrov",
    "Hughes",
    "Yilmaz",
)
STREETS = ("Harbour Road", "Mill Lane", "Station Street", "Orchard Avenue", "Kingsway", "Bridge Street", "Elm Grove")
CITIES = (
    ("Norwich", "United Kingdom"),
    ("Bristol", "United Kingdom"),
    ("Dundee", "United Kingdom"),
    ("Galway", "Ireland"),
    ("Hamburg", "Germany"),
    ("Bremen", "Germany"),
    ("Utrecht", "Netherlands"),
    ("Ghent", "Belgium"),
    ("Aarhus", "Denmark"),
)
FIRMS = (
    "Brightwater Supplies",
    "Northgate Printing",
    "Alder & Finch",
    "Meridian Tools",
    "Kestrel Logistics",
    "Granite Office Works",
    "Bluefield Energy",
    "Lantern Publishing",
)
SHOPS = ("Corner Market", "Green Basket", "Harbour Bakery", "City Grocers", "Daily Provisions", "Old Town Cafe")
GOODS = (
    ("Whole milk 1 l", 129),
    ("Rye bread 750 g", 345),
    ("Free range eggs", 319),
    ("Ground coffee", 689),
    ("Butter 250 g", 275),
    ("Apples 1 kg", 240),
    ("Orange juice", 295),
    ("Cheddar 400 g", 459),
    ("Tomato soup", 185),
    ("Basmati rice", 325),
    ("Dark chocolate", 210),
    ("Olive oil 500 ml", 749),
    ("Sparkling water", 89),
    ("Paper towels", 399),
)
ARTICLES = (
    ("Copy paper A4, box of 5", 2450),
    ("Toner cartridge, black", 8900),
    ("Desk lamp, adjustable", 4375),
    ("Steel shelf, 5 levels", 11990),
    ("Label printer, thermal", 16800),
    ("Shipping boxes, medium", 1860),
    ("Packing tape, 6 rolls", 1425),
    ("Safety gloves, size L", 990),
    ("Network cable, 10 m", 1275),
    ("Filing cabinet, grey", 21500),
    ("Whiteboard, 90 x 120 cm", 7640),
    ("Site survey, per hour", 6500),
    ("Monthly maintenance", 14900),
    ("Delivery and assembly", 5900),
)
CURRENCIES = ("EUR", "USD", "GBP", "CHF")


@dataclass(frozen=True)
class Person:
    """Someone who buys, writes or fills in a form."""

    first: str
    last: str
    birthday: date

    @property
    def full(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        """An address under a domain reserved for examples."""
        return f"{self.first}.{self.last}@example.com".lower()


@dataclass(frozen=True)
class Address:
    """A postal address."""

    street: str
    city: str
    country: str


def person(rng: random.Random) -> Person:
    """A person of 20 to 70 years."""
    born = date(1955, 1, 1) + timedelta(days=rng.randrange(18_000))
    return Person(rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES), born)


def address(rng: random.Random) -> Address:
    """An address."""
    city, country = rng.choice(CITIES)
    return Address(f"{rng.randint(2, 189)} {rng.choice(STREETS)}", f"{city} {digits(rng, 5)}", country)


def day(rng: random.Random) -> date:
    """A day of 2024 or 2025."""
    return date(2024, 1, 1) + timedelta(days=rng.randrange(730))


def long_date(value: date) -> str:
    """As in `4 March 2025`."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def money(cents: int, currency: str | None = None) -> str:
    """As in `1,234.50`, or `1,234.50 EUR`."""
    amount = f"{cents // 100:,}.{cents % 100:02d}"
    return f"{amount} {currency}" if currency else amount


def digits(rng: random.Random, *groups: int) -> str:
    """Groups of digits of the given lengths, separated by spaces; no group starts with 0."""
    return " ".join(str(rng.randrange(10 ** (size - 1), 10**size)) for size in groups)


def account(rng: random.Random) -> str:
    """What looks like an international bank account number; the country code XX belongs to no country."""
    return f"XX{digits(rng, 2, 4, 4, 4, 4, 2)}"


def phone(rng: random.Random) -> str:
    """A telephone number."""
    return f"+{rng.randint(31, 49)} {digits(rng, 3, 3, 4)}"


# English whatever the locale is, which strftime does not promise.
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
