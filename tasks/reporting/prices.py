"""The price book: prices.toml, which is data with its sources and dates. Exact: prices are decimals from text."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

BOOK = Path(__file__).parent / "prices.toml"


@dataclass(frozen=True)
class Price:
    """Dollars for one unit, in us-east-1."""

    key: str
    unit: str
    usd: Decimal
    source: str
    noted: date
    service: str
    usage: str
    free: Decimal = Decimal(0)
    """What an account has every month for nothing, for good."""
    filters: Mapping[str, str] = field(default_factory=dict, hash=False)
    """By which the Pricing API finds it, beside its usage."""


@dataclass(frozen=True)
class Book:
    """All prices by key."""

    prices: Mapping[str, Price]
    hours: Decimal
    """Of a month."""
    told: str = ""
    """What is to be said of where its prices are from."""

    def get(self, key: str) -> Price | None:
        return self.prices.get(key)


@cache
def read_book(path: Path = BOOK) -> Book:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    hours = Decimal(data.pop("hours_a_month"))
    prices = {price.key: price for section in data.values() for price in prices_in(section)}
    first, last = min(price.noted for price in prices.values()), max(price.noted for price in prices.values())
    noted = f"of {first}" if first == last else f"of {first} to {last}"
    return Book(prices, hours, f"The price book's, {noted} (tasks/reporting/prices.toml names the source of each).")


def prices_in(section: Mapping[str, Any]) -> Iterator[Price]:
    for entry in section["prices"]:
        yield Price(
            key=entry["key"],
            unit=entry["unit"],
            usd=Decimal(entry["usd"]),
            free=Decimal(entry.get("free", "0")),
            usage=entry["usage"],
            source=section["source"],
            noted=section["noted"],
            service=section["service"],
            filters=section.get("filters", {}),
        )
