"""How numbers and times are said."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def days(count: int | None) -> str:
    return "for ever" if count is None else plural(count, "day")


def dollars(amount: Decimal) -> str:
    """`$26.28`; less than half a cent that is not nothing: `<$0.01`."""
    rounded = amount.quantize(CENT, ROUND_HALF_UP)
    return "<$0.01" if amount and not rounded else f"{'-' if rounded < 0 else ''}${abs(rounded):,.2f}"


def number(value: Decimal) -> str:
    """Without an exponent and without zeros at the end: `1,000,000`, `0.0000002`."""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def seconds(value: float) -> str:
    """`0.4 s`, `3 min 41 s`."""
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes else f"{value:.1f} s"
