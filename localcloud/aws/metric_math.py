"""Metric math, as far as alarms and dashboards of a backend need it.

Numbers, names of other queries, + - * / and brackets, comparisons (1 or 0), `IF(condition, then, else)` and
`FILL(name, number)`. Anything else is a gap. An expression has a value where every series in it has one.
"""

import ast
import operator
from collections.abc import Callable, Iterable, Mapping

Series = Mapping[int, float]
"""Values by the begin of their period."""
Value = float | Series
TWO: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def evaluate(expression: str, series: Mapping[str, Series], *, periods: Iterable[int]) -> dict[int, float]:
    """The values of an expression at these periods. Raises NotImplementedError for what it cannot do."""
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        raise NotImplementedError(f"the metric math {expression!r}") from None
    value = _Evaluation(expression, series, tuple(periods)).value(tree)
    return dict(value) if isinstance(value, Mapping) else dict.fromkeys(periods, value)


def names_in(expression: str) -> set[str]:
    """The queries that an expression uses."""
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise NotImplementedError(f"the metric math {expression!r}") from None
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id.islower()}


class _Evaluation:
    def __init__(self, expression: str, series: Mapping[str, Series], periods: tuple[int, ...]) -> None:
        self._expression, self._series, self._periods = expression, series, periods

    def value(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in self._series:
                return self._series[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _each(lambda values: -values[0], self.value(operand))
            case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
                if type(op) in TWO:
                    return _each(lambda values: float(TWO[type(op)](*values)), self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                parts = [self.value(part) for part in (condition, then, otherwise)]
                return _each(lambda values: values[1] if values[0] else values[2], *parts)
            case ast.Call(func=ast.Name(id="FILL"), args=[filled, ast.Constant(value=int() | float() as number)]):
                known = self.value(filled)
                if isinstance(known, Mapping):
                    return {period: known.get(period, float(number)) for period in self._periods}
        raise NotImplementedError(f"{ast.unparse(node)!r} in the metric math {self._expression!r}")


def _each(function: Callable[[list[float]], float], *parts: Value) -> Value:
    """A function of single values, at each period that all series have. Where it divides by 0, there is no value."""
    series = [part for part in parts if isinstance(part, Mapping)]
    if not series:
        return function([part for part in parts if not isinstance(part, Mapping)])
    result = {}
    for period in set.intersection(*(set(one) for one in series)):
        values = [part[period] if isinstance(part, Mapping) else part for part in parts]
        try:
            result[period] = function(values)
        except ZeroDivisionError:
            continue
    return dict(sorted(result.items()))
