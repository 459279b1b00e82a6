"""Metric math: arithmetic on series, and FILL.

A series has a value for some moments. Where one of two series has none, or a divisor
is 0, there is no result.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence

from local.aws.cloudwatch.errors import unfit

Series = Mapping[int, float]
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
FILL = "FILL"


def parse(expression: str) -> ast.expr:
    """The tree of an expression.

    Raises:
        ServiceError: it cannot be read.
    """
    try:
        return ast.parse(expression.strip().replace("^", "**"), mode="eval").body
    except SyntaxError as error:
        raise unfit(f"Error in expression '{expression}': {error.msg}") from error


def names(tree: ast.expr) -> set[str]:
    """Ids of the series that an expression is made of."""
    called = {id(each.func) for each in ast.walk(tree) if isinstance(each, ast.Call)}
    return {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and id(each) not in called}


def evaluate(tree: ast.expr, series: Mapping[str, Series], moments: Sequence[int]) -> Series:
    """The series that an expression gives.

    Args:
        tree: of the expression.
        series: by their ids; all that it names.
        moments: at which there may be values.

    Raises:
        ServiceError: it has something else than arithmetic and FILL, or is a number.
    """
    found = _value(tree, series, moments)
    if isinstance(found, float):
        raise unfit(f"The expression {ast.unparse(tree)} is a number. It has to use at least one metric.")
    return found


def _value(tree: ast.expr, series: Mapping[str, Series], moments: Sequence[int]) -> Series | float:
    match tree:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return series[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _combined(operator.sub, 0.0, _value(operand, series, moments))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            sides = (_value(side, series, moments) for side in (left, right))
            return _combined(_OPERATORS[type(op)], *sides)
        case ast.Call(func=ast.Name(id=name), args=[what, ast.Constant(value=int() | float() as number)]) if (
            name == FILL
        ):
            known = _value(what, series, moments)
            if not isinstance(known, float):
                return {moment: known.get(moment, float(number)) for moment in moments}
    raise unfit(
        f"Unsupported expression {ast.unparse(tree)!r}: the stand-in has +, -, *, /, ^, brackets, numbers, "
        f"ids and {FILL}(id, number)."
    )


def _combined(
    operation: Callable[[float, float], float], left: Series | float, right: Series | float
) -> Series | float:
    if isinstance(left, float) and isinstance(right, float):
        found = _safe(operation, left, right)
        if found is None:
            raise unfit("An expression divides numbers by 0.")
        return found
    known = [set(side) for side in (left, right) if not isinstance(side, float)]
    moments = set.intersection(*known)
    results = {moment: _safe(operation, _at(left, moment), _at(right, moment)) for moment in sorted(moments)}
    return {moment: value for moment, value in results.items() if value is not None}


def _at(side: Series | float, moment: int) -> float:
    return side if isinstance(side, float) else side[moment]


def _safe(operation: Callable[[float, float], float], left: float, right: float) -> float | None:
    try:
        found = operation(left, right)
    except (ZeroDivisionError, OverflowError):
        return None
    return found if isinstance(found, float) else None
