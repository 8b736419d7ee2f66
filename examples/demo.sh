#!/bin/sh
# The demo: run by `make demo` in a folder of its own, given as the argument.
set -eu
tables=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"

show() {
    printf '\n$ %s\n' "$*"
    "$@"
}

echo "The first PyTorch lesson, to a deployment:"
show lr-train
show lr-export --format onnx
show lr-infer model.onnx 4.0

echo
echo "A calibration table (NIST Norris: ozone monitors):"
cp "$tables/norris.csv" .
show lr-train norris.csv --target y -o norris.safetensors
show lr-export norris.safetensors --format onnx --interval 0.95 --flags
show lr-infer norris.onnx 448.9
show lr-infer norris.onnx norris.csv -o predictions.csv
printf '\n$ head -n 3 predictions.csv\n'
head -n 3 predictions.csv

echo
echo "What is in the file, and whether it holds on this machine:"
show lr-inspect norris.onnx --self-test
