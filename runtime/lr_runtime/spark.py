"""Predictions in Spark: `score = scorer(model)`, then `dataframe.mapInArrow(score, score.schema(dataframe))`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lr_runtime.prediction.scorer import Scorer
from lr_runtime.system.text import composed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from lr_runtime.choices import OnError
    from lr_runtime.prediction.predictor import Predictor

_TYPES = {"float": "float", "double": "double", "bool": "boolean", "string": "string"}
"""What Spark calls the types of results and reasons, by the names that Arrow gives them."""


@dataclass(frozen=True)
class PartitionScorer:
    """A function for `mapInArrow`: from the batches of a partition to the same with predictions."""

    scorer: Scorer

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the predictions of each batch, once it is asked for."""
        return map(self.scorer, batches)

    def schema(self, dataframe: DataFrame) -> StructType:
        """Return the schema of what comes of a frame: the types that its own columns have, and those of the results."""
        import pyarrow as pa  # which Spark itself needs for this
        from pyspark.sql.types import StructType

        given = {composed(field.name): field.dataType for field in dataframe.schema}
        schema = StructType()
        for field in self.scorer.schema(pa.schema([(name, pa.null()) for name in given])):
            schema.add(field.name, given[field.name] if pa.types.is_null(field.type) else _TYPES[str(field.type)])
        return schema


def scorer(
    model: Predictor, *, keep: str | Sequence[str] = "all", on_error: OnError = "stop", reasons: str | None = None
) -> PartitionScorer:
    """Return a function that predicts the batches of a partition; the arguments are those of `Scorer`.

    Each Python worker of Spark reads and checks the model once, however many tasks it works on.
    """
    return PartitionScorer(Scorer(model, keep=keep, on_error=on_error, reasons=reasons))
