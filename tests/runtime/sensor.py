"""A model with everything that a contract can say, built by hand: missing values, categories, a power, all results.

    y = 1.5 + 2 c + 0.25 c^2 + 10 [south] - 4 [east] + 7 [site missing] + 0.5 p,    c = (t - 16) / 4

where a missing t is 20, and p may not be missing. The interval is y - 1 to y + 1, the leverage c^2 / 8, and a row is in
range where p is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lr_runtime import Column, Contract, Output
from lr_runtime.contract.contract import METADATA_KEY, Equation
from lr_runtime.contract.terms.category import Level
from lr_runtime.contract.terms.missing import MissingIndicator
from lr_runtime.contract.terms.power import Power
from tests.optional import optional
from tests.runtime import prebuilt

if TYPE_CHECKING:
    from onnx import TensorProto, helper, numpy_helper
else:
    helper, numpy_helper = optional("onnx.helper"), optional("onnx.numpy_helper")
    TensorProto = optional("onnx").TensorProto

SITES = ("north", "south", "east")
FILL = 20.0
ORIGIN, SCALE = 16.0, 4.0
BIAS = 1.5
WEIGHTS = (2.0, 0.25, 10.0, -4.0, 7.0, 0.5)

CONTRACT = Contract(
    columns=(
        Column("t", 0.0, 40.0, "degC", missing="mean"),
        Column("site", 0.0, 2.0, kind="category", missing="indicator", categories=SITES),
        Column("p", -10.0, 10.0),
    ),
    outputs=(Output("ozone", 0.9, 1.0),),
    rows=100,
    linedge="0.1.0",
    precision="exact",
    input_dtype="float32",
    results=("y", "y_lower", "y_upper", "in_range", "leverage"),
    interval_level=0.95,
    equation=Equation(
        terms=(
            Power(0),
            Power(0, 2),
            Level(1, 1),
            Level(1, 2),
            MissingIndicator(1),
            Power(2),
        ),
        weight=(WEIGHTS,),
        bias=(BIAS,),
        origin=(ORIGIN, 0.0, 0.0),
        scale=(SCALE, 1.0, 1.0),
        fill=(FILL, 0.0, 0.0),
    ),
)


def expected(t: float | None, site: str | None, p: float) -> dict[str, Any]:
    """Evaluate the formulas above for a row; exact where the numbers are short."""
    c = ((FILL if t is None or math.isnan(t) else t) - ORIGIN) / SCALE
    effect = {"north": 0.0, "south": 10.0, "east": -4.0, None: 7.0}[site]
    y = BIAS + 2 * c + 0.25 * c * c + effect + 0.5 * p
    return {
        "ozone": y,
        "ozone_lower": y - 1,
        "ozone_upper": y + 1,
        "in_range": -10 <= p <= 10,
        "leverage": c * c / 8,
    }


class _Graph:
    """Nodes and constants, added one by one; each gives the name of its value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, *values: float, dtype: type[Any] = np.float64) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=dtype), name))
        return name

    def node(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def cast(self, value: str, kind: int, name: str | None = None) -> str:
        return self.node("Cast", value, name=name, to=kind)


def model() -> bytes:
    """Return the ONNX file."""
    return prebuilt.content(FILE, _made)


FILE = "sensor.onnx"


def _made() -> bytes:
    g = _Graph()
    wide = g.cast("x", TensorProto.DOUBLE)
    t, site, p = (g.node("Gather", wide, g.constant(column, dtype=np.int64), axis=1) for column in range(3))
    filled = g.node("Where", g.node("IsNaN", t), g.constant(FILL), t)
    c = g.node("Div", g.node("Sub", filled, g.constant(ORIGIN)), g.constant(SCALE))
    square = g.node("Mul", c, c)
    flags = [*(g.node("Equal", site, g.constant(index)) for index in range(3)), g.node("IsNaN", site)]
    indicators = [g.cast(flag, TensorProto.DOUBLE) for flag in flags]
    known = g.node("ReduceSum", g.node("Concat", *indicators, axis=1), g.constant(1, dtype=np.int64))
    # An index that is none of the categories gives 0 / 0, NaN.
    effects = [g.node("Div", indicator, known) for indicator in indicators[1:]]
    terms = g.node("Concat", c, square, *effects, p, axis=1)
    g.constants.append(numpy_helper.from_array(np.array([WEIGHTS]).T, "w"))
    y = g.node("Gemm", terms, "w", g.constant(BIAS))
    g.cast(y, TensorProto.FLOAT, "y")
    g.cast(g.node("Sub", y, g.constant(1.0)), TensorProto.FLOAT, "y_lower")
    g.cast(g.node("Add", y, g.constant(1.0)), TensorProto.FLOAT, "y_upper")
    # A root of a negative number is NaN, which nothing equals.
    margins = [g.node("Sqrt", g.node("Sub", *ends)) for ends in ((p, g.constant(-10.0)), (g.constant(10.0), p))]
    margin = g.node("Add", *margins)
    g.node("Equal", margin, margin, name="in_range")
    g.cast(g.node("Mul", square, g.constant(0.125)), TensorProto.FLOAT, "leverage")
    kinds = {"in_range": TensorProto.BOOL}
    graph = helper.make_graph(
        g.nodes,
        "linedge",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), ["rows", 1])
            for name in CONTRACT.results
        ],
        g.constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    made.producer_name = "linedge"
    helper.set_model_props(made, {METADATA_KEY: CONTRACT.to_json()})
    return bytes(made.SerializeToString(deterministic=True))
