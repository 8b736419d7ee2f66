"""Runs a WebAssembly program of WASI in wasmtime: run_wasm.py PROGRAM, with this process's input and output."""

from __future__ import annotations

import sys
from pathlib import Path

import wasmtime


def main(path: Path) -> int:
    """Return the program's exit code."""
    engine = wasmtime.Engine()
    store, linker, wasi = wasmtime.Store(engine), wasmtime.Linker(engine), wasmtime.WasiConfig()
    linker.define_wasi()
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    store.set_wasi(wasi)
    start = linker.instantiate(store, wasmtime.Module.from_file(engine, str(path))).exports(store)["_start"]
    assert isinstance(start, wasmtime.Func)
    try:
        start(store)
    except wasmtime.ExitTrap as exited:
        code: int = exited.code
        return code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
