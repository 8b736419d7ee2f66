"""Programs evaluated a second time, in numpy and as plainly as can be, and programs drawn at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lr_export.program.functions import append
from lr_export.program.program import Builder, Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lr_export.program.program import Program, Step, Value
    from lr_runtime.contract.contract import Dtype
    from lr_runtime.contract.derived import FunctionName

Values = dict[str, "NDArray[Any]"]


def evaluated(program: Program, x: NDArray[Any]) -> Values:
    """Return the results by name; every sum is taken from left to right."""
    values: Values = {"x": x}
    with np.errstate(all="ignore"):
        for step in program.steps:
            operands = [o.array if isinstance(o, Constant) else values[o.name] for o in step.operands]
            values[step.result.name] = _step(step, operands)
    return {name: np.broadcast_to(values[v.name], (len(x), v.width)) for name, v in program.results.items()}


def _step(step: Step, operands: list[NDArray[Any]]) -> NDArray[Any]:
    if step.operation == "cast":
        return operands[0].astype(step.result.dtype)
    if step.operation == "select":
        return operands[0][:, list(step.columns)]
    result: NDArray[Any] = _FUNCTIONS[step.operation](*operands)
    return result


def _in_order(terms: NDArray[Any]) -> NDArray[Any]:
    total = terms[:, 0]
    for column in range(1, terms.shape[1]):
        total = total + terms[:, column]
    return total


def _affine(a: NDArray[Any], weight: NDArray[Any], bias: NDArray[Any]) -> NDArray[Any]:
    return np.stack([_in_order(a * row) + b for row, b in zip(weight, bias, strict=True)], axis=1)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "sqrt": np.sqrt,
    "log": np.log,
    "exp": np.exp,
    "affine": _affine,
    "ordered_affine": _affine,
    "sum": lambda a: _in_order(a)[:, None],
    "ordered_sum": lambda a: _in_order(a)[:, None],
    "concatenate": lambda *values: np.concatenate(values, axis=1),
    "is_nan": np.isnan,
    "equal": np.equal,
    "less": np.less,
    "and": np.logical_and,
    "where": np.where,
}


def every_operation(dtype: Dtype) -> Program:
    """Return a program that takes every operation, with operands of width 1 and more, values and constants."""
    build, other = Builder(3, dtype, ordered=True), "float64" if dtype == "float32" else "float32"
    x, row = build.x, Constant("row", np.array([0.1, -3.0, 1e-3], dtype=dtype))
    one = Constant("one", np.array([1 / 3], dtype=dtype))
    first = build.select(x, [0])
    results: dict[str, Value] = {
        "y": build.affine(x, Constant("weight", _matrix(2, 3, dtype)), Constant("bias", np.array([0.7, -0.1], dtype))),
        "y_single": build.affine(first, Constant("w1", _matrix(1, 1, dtype)), Constant("b1", np.array([0.3], dtype))),
        "y_add": build.add(x, row),
        "y_subtract": build.subtract(one, x),
        "y_multiply": build.multiply(x, first),
        "y_divide": build.divide(x, row),
        "y_sqrt": build.sqrt(build.multiply(x, x)),
        "y_log": append(build, "log", x),  # the engine's own log and exp have bits of their own
        "y_exp": append(build, "exp", x),
        "y_cast": build.cast(x, other),  # type: ignore[arg-type]
        "y_sum": build.sum(x),
        "y_select": build.select(x, [2, 0, 2]),
        "y_concatenate": build.concatenate(x, first, build.multiply(x, x)),
    }
    missing, same = build.is_nan(x), build.equal(x, first)
    masks = {
        "y_is_nan": missing,
        "y_equal": same,
        "y_less": build.less(x, row),
        "y_and": build.both(same, Constant("mask", np.array([True, False, True]))),
    }
    results |= masks | {"y_where": build.where(missing, row, x), "y_where_one": build.where(same, x, one)}
    results |= {"y_truth": build.cast(same, dtype), "y_count": build.count(build.cast(missing, dtype))}
    for name, value in results.items():
        build.result(name, value)
    build.result("in_range", build.is_nan(first))
    build.result("leverage", build.sum(build.multiply(x, x)))
    return build.program()


def function_of(function: FunctionName, dtype: Dtype, knots: Sequence[float] = (0.0,)) -> Program:
    """Return a program that gives the function of every column, as many as there are knots."""
    build = Builder(len(knots), dtype, ordered=True)
    build.result("y", append(build, function, build.x, np.array(knots) if function == "hinge" else None))
    return build.program()


def _matrix(outputs: int, width: int, dtype: str) -> NDArray[Any]:
    return np.random.default_rng(7).normal(size=(outputs, width)).astype(dtype)


def awkward_rows(columns: int, dtype: str, rows: int = 300) -> NDArray[Any]:
    """Return rows of ordinary numbers, zeros of both signs, subnormals, missing values and the ends of the range."""
    random = np.random.default_rng(11)
    info = np.finfo(dtype)
    tiny = float(info.smallest_subnormal)
    special = np.array([0.0, -0.0, np.nan, tiny, -3 * tiny, float(info.tiny), float(info.max), 1.0, 0.1, -3.0])
    ordinary = random.normal(size=(rows, columns)) * 10.0 ** random.integers(-6, 6, size=(rows, columns))
    chosen = random.integers(0, 3, size=(rows, columns)) == 0
    array: NDArray[Any] = np.where(chosen, random.choice(special, size=(rows, columns)), ordinary).astype(dtype)
    return array


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays are equal bit for bit, where one NaN is as good as another."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool((a == b).all())
    missing = np.isnan(a)
    return bool((missing == np.isnan(b)).all()) and a[~missing].tobytes() == b[~missing].tobytes()
