"""Prices asked of AWS instead of read from the book, when somebody wants that.

The Pricing API is asked for each price by its usage. Where it gives none, or several, or one that cannot be for the
same unit, the book's price stays; what stayed, and why, is said beside the table.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from blocks.aws import DoorError
from tasks.changes import Rollout
from tasks.reporting.prices import Book, Price
from tasks.steps import step

REGIONS = ("us-east-1", "eu-central-1", "ap-south-1")
"""Where the Pricing API is."""
PRICED = "us-east-1"
"""The region whose prices the book holds."""
FACTOR = 3
"""A price that is so many times the book's, or so small a part of it, is for another unit."""
AT_ONCE = 8
Products = Callable[[Price], Sequence[str]]


@step("Ask for prices")
def refresh_prices(rollout: Rollout, book: Book, *, today: date) -> Book:
    """The book with AWS's prices of today in it, as far as AWS tells them."""
    if rollout.environment.region not in REGIONS:
        return kept(book, f"it is not in region {rollout.environment.region}")
    try:
        client = rollout.aws("pricing")
        return refreshed(book, partial(products_of, client), today)
    except (DoorError, ClientError, BotoCoreError) as error:
        return kept(book, str(error).splitlines()[0])


def kept(book: Book, why: str) -> Book:
    return replace(book, told=f"{book.told} AWS's Pricing API could not be asked: {why}.")


def products_of(client: Any, price: Price) -> Sequence[str]:
    filters = {"usagetype": price.usage, "regionCode": PRICED, **price.filters}
    wanted = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in filters.items()]
    return list(client.get_products(ServiceCode=price.service, Filters=wanted)["PriceList"])


def refreshed(book: Book, ask: Products, today: date) -> Book:
    """`ask` gives the products of a price, as JSON. The first one is asked alone: if that fails, all would."""
    first, *rest = book.prices.values()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = [ask(first), *pool.map(ask, rest)]
    prices, stayed = dict(book.prices), list[str]()
    for price, products in zip(book.prices.values(), answers, strict=True):
        usd = one_price(products)
        if usd is None or not price.usd / FACTOR <= usd <= price.usd * FACTOR:
            stayed.append(price.key)
        else:
            prices[price.key] = replace(price, usd=usd, noted=today, source="AWS's Pricing API")
    told = f"{len(prices) - len(stayed)} of {len(prices)} asked of AWS's Pricing API on {today}."
    return Book(prices, book.hours, told + (f" The book's stayed for {', '.join(stayed)}." if stayed else ""))


def one_price(products: Iterable[str]) -> Decimal | None:
    """What all of the products agree on; None if they do not, or if there is none."""
    found = {usd for product in products for usd in first_paid_tier(json.loads(product))}
    return found.pop() if len(found) == 1 else None


def first_paid_tier(product: Mapping[str, Any]) -> Iterator[Decimal]:
    """The on-demand price of the least quantity that costs anything: tiers for much begin higher, free ones cost 0."""
    for term in product["terms"].get("OnDemand", {}).values():
        tiers = [
            (Decimal(tier.get("beginRange") or "0"), Decimal(tier["pricePerUnit"]["USD"]))
            for tier in term["priceDimensions"].values()
            if "USD" in tier["pricePerUnit"]
        ]
        paid = sorted(tier for tier in tiers if tier[1] > 0)
        if paid:
            yield paid[0][1]
