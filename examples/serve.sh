#!/bin/sh
# A model over HTTP, with curl: run in a folder of its own, given as the argument; lr-train, lr-export and lr-serve are
# found on the PATH.
set -eu
tables=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"

show() {
    printf '\n$ %s\n' "$*"
    "$@"
    echo
}

cp "$tables/norris.csv" .
lr-train norris.csv --target y -o norris.safetensors --quiet
lr-export norris.safetensors --format onnx --interval 0.95 --flags --quiet >/dev/null

echo 'A calibration table (NIST Norris: ozone monitors) is served at a free port of this machine:'
mkfifo said
printf '\n$ lr-serve norris.onnx --port 0 --json &\n'
lr-serve norris.onnx --port 0 --json --quiet >said &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f said' EXIT
read -r line <said # it comes once the server listens
echo "$line"
url=$(echo "$line" | sed 's/.*"url": "\([^"]*\)".*/\1/')
json='content-type: application/json'

echo 'The Open Inference Protocol, which clients of KServe, Triton and MLServer speak:'
show curl -sS "$url/v2/health/ready"
show curl -sS "$url/v2/models/norris"
x='{"inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP64", "data": [448.9, 0.2]}]}'
show curl -sS "$url/v2/models/norris/infer" -H "$json" -d "$x"

echo 'Rows as people have them:'
show curl -sS "$url/predict" -H "$json" -d '[{"x": 448.9}]'
show curl -sS "$url/predict" -H 'content-type: text/csv' --data-binary "$(head -n 3 norris.csv)"
show curl -sS "$url/explain" -H "$json" -d '[{"x": 448.9}]'

echo 'What is wrong is said in one line:'
show curl -sS "$url/predict" -H "$json" -d '[{"temperature": 448.9}]'
show curl -sS "$url/nothing"

kill "$server"
wait "$server"
echo 'It has finished what it was asked, and ended.'
