"""The single list of formats' names and suffixes, readable without importing torch or onnx."""

from __future__ import annotations

from typing import Literal, get_args

InputChoice = Literal["auto", "float32", "float64"]
INPUT_CHOICES: tuple[InputChoice, ...] = get_args(InputChoice)
FormatName = Literal["onnx", "torchscript"]
SUFFIXES: dict[FormatName, str] = {"onnx": ".onnx", "torchscript": ".pt"}
