"""Tests and benchmarks; linedge comes first, which keeps ONNX Runtime's telemetry off wherever these import it."""

import lr_runtime  # noqa: F401
