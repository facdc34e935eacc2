"""Prices asked of AWS: what it answers is read, and where it does not tell, the book's stays and that is said."""

import json
from datetime import date
from decimal import Decimal

import pytest
from botocore.exceptions import EndpointConnectionError

from tasks.reporting.prices import Book, Price, read_book
from tasks.reporting.refreshing import kept, one_price, refreshed

TODAY = date(2026, 12, 1)


def product(*tiers: tuple[str, str]) -> str:
    """As GetProducts answers; `tiers` are (beginRange, dollars)."""
    dimensions = {
        f"SKU.JRTCKXETXF.{index}": {"unit": "Hrs", "beginRange": begin, "pricePerUnit": {"USD": usd}}
        for index, (begin, usd) in enumerate(tiers)
    }
    terms = {"OnDemand": {"SKU.JRTCKXETXF": {"priceDimensions": dimensions}}, "Reserved": {}}
    return json.dumps({"product": {"sku": "SKU", "attributes": {}}, "terms": terms})


@pytest.mark.parametrize(
    ("products", "usd"),
    [
        ([product(("0", "0.0360000000"))], "0.036"),
        ([product(("0", "0.0000000000"), ("100", "0.0900000000"), ("10240", "0.0850000000"))], "0.09"),
        ([product(("0", "0.036")), product(("0", "0.0360"))], "0.036"),
        ([product(("0", "0.036")), product(("0", "0.072"))], None),
        ([product(("0", "0"))], None),
        ([], None),
    ],
)
def test_the_least_that_costs_anything_is_the_price(products: list[str], usd: str | None) -> None:
    assert one_price(products) == (usd if usd is None else Decimal(usd))


def test_prices_of_today_take_the_place_of_the_books_and_the_rest_is_said() -> None:
    prices = {key: read_book().prices[key] for key in ("db.t3.small", "gp3", "dashboard")}
    answers = {"db.t3.small": [product(("0", "0.038"))], "gp3": [], "dashboard": [product(("0", "0.0041"))]}
    book = refreshed(Book(prices, Decimal(730)), lambda price: answers[price.key], TODAY)
    assert book.prices["db.t3.small"].usd == Decimal("0.038")
    assert (book.prices["db.t3.small"].noted, book.prices["gp3"].usd) == (TODAY, Decimal("0.115"))
    assert book.prices["dashboard"].usd == 3
    assert book.told == ("1 of 3 asked of AWS's Pricing API on 2026-12-01. The book's stayed for gp3, dashboard.")


def test_where_it_cannot_be_asked_it_is_asked_once() -> None:
    asked = []

    def away(price: Price) -> list[str]:
        asked.append(price.key)
        raise EndpointConnectionError(endpoint_url="https://api.pricing")

    with pytest.raises(EndpointConnectionError):
        refreshed(read_book(), away, TODAY)
    assert len(asked) == 1
    assert kept(read_book(), "no way").told.endswith("could not be asked: no way.")
