"""Prints what the engines of this machine keep of each precision: `python -m tests.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.contract.contract import PRECISIONS
from tests.engines.measuring import measure
from tests.engines.table import ROWS

if TYPE_CHECKING:
    from lr_runtime.contract.contract import Precision
    from tests.engines.measuring import Engine


def main() -> None:
    """Print a row an engine, as Markdown; an engine that is not here has its reason in place of figures."""
    print(f"| engine | version | {' | '.join(PRECISIONS)} |")
    print("|---|---|" + "---|" * len(PRECISIONS))
    for engine in ROWS:
        cells = [engine.absent] if engine.absent else [engine.version(), *(figures(engine, p) for p in PRECISIONS)]
        print(f"| {engine.name} | {' | '.join(cells)} |", flush=True)


def figures(engine: Engine, precision: Precision) -> str:
    """Return the largest error as a multiple of its bound, the share of y that are the nearest numbers, and the number
    of models with the bits of ONNX Runtime.
    """
    if precision not in engine.keeps:
        return ""
    seen = measure(engine, precision)
    loaded = [each for each in seen.values() if not each.failure]
    if not loaded:
        return "loads none"
    worst = max(max(each.worst.values()) for each in loaded)
    correct = sum(each.correct for each in loaded) / len(loaded)
    same = sum(not each.other_bits for each in loaded)
    more = [
        "" if all(each.in_range for each in loaded) else "in_range wrong",
        "" if all(each.refused for each in loaded) else "takes what the model refuses",
        "" if len(loaded) == len(seen) else f"loads {len(loaded)}",
    ]
    multiple = f"{worst:.2f}" if worst < 10 else f"{worst:.0e}"
    return "; ".join([multiple, f"{correct:.1%}", str(same), *filter(None, more)])


if __name__ == "__main__":
    main()
