#!/bin/sh
# Installs what the rows of docs/engines.md need beside the virtual environment, by package name alone:
#     sh tests/engines/install.sh PYTHON FOLDER
# What cannot be had is said, and its tests are skipped with the reason.
set -eu
python=$1
folder=$2

# The system's packages: a command and the package that has it; then libraries, which have no command.
needed=
for pair in gcc:gcc g++:g++ node:nodejs npm:npm clang:clang wasm-ld:lld qemu-aarch64:qemu-user \
  aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu arm-linux-gnueabihf-gcc:gcc-arm-linux-gnueabihf \
  riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu s390x-linux-gnu-gcc:gcc-s390x-linux-gnu; do
  command -v "${pair%%:*}" >/dev/null || needed="$needed ${pair#*:}"
done
for package in wasi-libc libclang-rt-dev-wasm32 libc6-dev-arm64-cross libc6-dev-armhf-cross libc6-dev-riscv64-cross \
  libc6-dev-s390x-cross; do
  dpkg -s "$package" >/dev/null 2>&1 || needed="$needed $package"
done
if test -n "$needed"; then
  if test "$(id -u)" = 0 && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # the names are words
    { apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends $needed; } >/dev/null ||
      echo "apt-get did not install$needed" >&2
  else
    echo "more engines run after: sudo apt install$needed" >&2
  fi
fi

mkdir -p "$folder"
if command -v npm >/dev/null; then
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" onnxruntime-web@1.30.0 ||
    echo "npm did not install onnxruntime-web" >&2
fi

# Its pins clash with those of the virtual environment, so it has one of its own; there is none for a later Python.
oldest=$folder/onnxruntime-1.15.0
if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' && ! test -e "$oldest"; then
  rm -rf "$oldest.part"
  "$python" -m venv "$oldest.part"
  if "$oldest.part/bin/python" -m pip --disable-pip-version-check install --quiet onnxruntime==1.15.0 'numpy==1.26.*'; then
    mv "$oldest.part" "$oldest"
  else
    echo "pip did not install onnxruntime 1.15.0" >&2
  fi
fi
