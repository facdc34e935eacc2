"""What an environment costs in a month: quantities from what stands in AWS, else from its settings; prices by the book.

Exact decimals all the way; a figure is rounded only when it is shown. What the book has no price for is a line without
an amount, and the total says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from blocks.reporting import Assumptions
from tasks.reporting.prices import Book, Price
from tasks.reporting.setup import Setup
from tasks.reporting.wording import dollars, number


@dataclass(frozen=True)
class Use:
    """So many units of a price."""

    component: str
    what: str
    price: str
    quantity: Decimal
    how: str
    """The quantity as it was computed."""


@dataclass(frozen=True)
class Line:
    """A use with its price; `price` is None where the book has none."""

    use: Use
    price: Price | None

    @property
    def amount(self) -> Decimal:
        return self.use.quantity * self.price.usd if self.price else Decimal(0)

    @property
    def after_free(self) -> Decimal:
        """What is left after the account's allowance, if nothing else uses it."""
        return max(Decimal(0), self.use.quantity - self.price.free) * self.price.usd if self.price else Decimal(0)


@dataclass(frozen=True)
class Costs:
    lines: Sequence[Line]
    prices: str
    """Where the prices are from."""
    assumptions: Mapping[str, float]

    @property
    def total(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def after_free(self) -> Decimal:
        return sum((line.after_free for line in self.lines), Decimal(0))

    @property
    def unpriced(self) -> list[str]:
        return [line.use.price for line in self.lines if line.price is None]


def costs_of(setup: Setup, assumed: Assumptions, book: Book) -> Costs:
    lines = [Line(use, book.get(use.price)) for use in uses(setup, assumed, book.hours)]
    return Costs(lines, book.told, assumed.model_dump())


def uses(setup: Setup, assumed: Assumptions, hours: Decimal) -> Iterator[Use]:
    yield from serving_uses(setup, assumed, hours)
    yield from database_uses(setup, assumed, hours)
    yield from network_uses(setup, hours)
    yield from secret_uses(setup, assumed)
    yield from watching_uses(setup, assumed)
    yield from site_uses(setup, assumed)


def serving_uses(setup: Setup, assumed: Assumptions, hours: Decimal) -> Iterator[Use]:
    requests, ms = exact(assumed.requests), exact(assumed.ms_per_request)
    gb = Decimal(setup.memory_mb) / 1024
    of, each = f"{number(requests)} requests", f"{number(gb)} GB"
    yield Use("Lambda", "requests", "lambda request", requests, of)
    seconds = requests * ms / 1000 * gb
    yield Use("Lambda", "compute", f"lambda {setup.architecture}", seconds, f"{of} × {number(ms)} ms × {each}")
    if setup.provisioned:
        warm = setup.provisioned * gb * hours * 3600
        how = f"{setup.provisioned} sandboxes × {each} × {hours} h"
        yield Use("Lambda", "provisioned", f"provisioned {setup.architecture}", warm, how)
    yield Use("API Gateway", "requests", "http api request", requests, of)
    out = exact(assumed.out_gb)
    yield Use("Data transfer", "to the internet", "gb out", out, f"{number(out)} GB")


def database_uses(setup: Setup, assumed: Assumptions, hours: Decimal) -> Iterator[Use]:
    copies = 2 if setup.multi_az else 1
    twice = " × 2 (Multi-AZ)" if setup.multi_az else ""
    yield Use("RDS", setup.instance_class, setup.instance_class, hours * copies, f"{hours} h{twice}")
    stored = Decimal(setup.storage_gb * copies)
    yield Use("RDS", f"storage {setup.storage_type}", setup.storage_type, stored, f"{setup.storage_gb} GB{twice}")
    beyond = max(Decimal(0), exact(assumed.backup_gb) - setup.storage_gb)
    how = f"{number(exact(assumed.backup_gb))} GB, of which {setup.storage_gb} GB are free with the database"
    yield Use("RDS", "backups and snapshots", "backup", beyond, how)
    if setup.public:
        yield Use("RDS", "public address", "public ipv4", hours, f"{hours} h")


def network_uses(setup: Setup, hours: Decimal) -> Iterator[Use]:
    if setup.endpoint_zones:
        how = f"{setup.endpoint_zones} zones × {hours} h"
        yield Use("VPC endpoint", "Secrets Manager", "endpoint", hours * setup.endpoint_zones, how)


def secret_uses(setup: Setup, assumed: Assumptions) -> Iterator[Use]:
    yield Use("Secrets Manager", "secrets", "secret", Decimal(setup.secrets), f"{setup.secrets} secrets")
    reads = exact(assumed.secret_reads)
    yield Use("Secrets Manager", "reads", "secret read", reads, f"{number(reads)} reads")


def watching_uses(setup: Setup, assumed: Assumptions) -> Iterator[Use]:
    written = exact(assumed.log_gb)
    yield Use("CloudWatch", "logs written", "log written", written, f"{number(written)} GB")
    if setup.log_days is None:
        kept, how = written * 12, f"{number(written)} GB a month and no end: after a year"
    else:
        kept, how = written * setup.log_days / 30, f"{number(written)} GB × {setup.log_days} of 30 days"
    yield Use("CloudWatch", "logs kept", "log kept", kept, how)
    if setup.alarm_metrics:
        how = f"{setup.alarm_metrics} metrics of {setup.alarms} alarms"
        yield Use("CloudWatch", "alarms", "alarm metric", Decimal(setup.alarm_metrics), how)
    if setup.dashboards:
        yield Use("CloudWatch", "dashboard", "dashboard", Decimal(setup.dashboards), f"{setup.dashboards} dashboard")
    if setup.tracing:
        share = exact(assumed.traces_percent)
        traces = exact(assumed.requests) * share / 100
        how = f"{number(share)} % of {number(exact(assumed.requests))} requests"
        yield Use("X-Ray", "traces", "trace", traces, how)


def site_uses(setup: Setup, assumed: Assumptions) -> Iterator[Use]:
    if not setup.site:
        return
    requests, out, kept = map(exact, (assumed.site_requests, assumed.site_gb, assumed.site_stored_gb))
    yield Use("CloudFront", "to people", "cloudfront gb out", out, f"{number(out)} GB")
    yield Use("CloudFront", "requests", "cloudfront request", requests, f"{number(requests)} requests")
    yield Use("S3", "the site's files", "s3 kept", kept, f"{number(kept)} GB")


def exact(value: float) -> Decimal:
    """The number as it was written."""
    return Decimal(str(value))


def cost_rows(costs: Costs) -> list[dict[str, str]]:
    """The cost table with the source of each price, its total last."""
    rows = [
        {
            "component": line.use.component,
            "what": line.use.what,
            "quantity": line.use.how,
            "price": f"${number(line.price.usd)} per {line.price.unit}" if line.price else "not in the price book",
            "a month": dollars(line.amount) if line.price else "?",
            "after free allowances": dollars(line.after_free) if line.price else "?",
            "noted": str(line.price.noted) if line.price else "",
            "source": line.price.source if line.price else "",
        }
        for line in costs.lines
    ]
    without = f"without {', '.join(costs.unpriced)}" if costs.unpriced else ""
    total = {"component": "Total", "what": without, "quantity": "", "price": ""}
    return [
        *rows,
        {
            **total,
            "a month": dollars(costs.total),
            "after free allowances": dollars(costs.after_free),
            "noted": "",
            "source": "",
        },
    ]
