"""Hold a server against the Open Inference Protocol v2: `python -m tests.conformance URL --model NAME`."""

from __future__ import annotations

import argparse
import json
import sys
from urllib.parse import urlsplit

from .check import result
from .checks import ALL
from .client import NoAnswerError, Server
from .report import records, summary, table
from .target import Declared, learned

EPILOG = """Exit code 0: the server breaks no MUST and no extension that it lists; 1: it does; 2: a wrong argument, or
nothing answers at the address."""


def main(arguments: list[str] | None = None) -> int:
    """Print what comes of the checks, and return the exit code."""
    parser = _parser()
    given = parser.parse_args(arguments)
    chosen = [each for each in ALL if not given.only or any(each.id.startswith(prefix) for prefix in given.only)]
    if not chosen:
        parser.error(f"no check has an id that begins with {' or '.join(given.only)}")
    server = Server(given.url, dict(given.header), given.timeout)
    values: dict[str, list[str]] = {}
    for name, value in given.value:
        values.setdefault(name, []).append(value)
    try:
        target = learned(server, given.model, values, [_with_values(each, values) for each in given.input])
    except NoAnswerError as error:
        parser.error(f"{given.url}: {error}")
    results = [result(each, target) for each in chosen]
    said = json.dumps(records(results), indent=1) if given.json else f"{table(results)}\n{summary(results)}"
    print(said)
    return 1 if any(each.breaks for each in results) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__, epilog=EPILOG)
    parser.add_argument("url", type=_url, help="where the server is, such as http://127.0.0.1:8080")
    parser.add_argument("--model", required=True, metavar="NAME", help="the name of a model that it has")
    parser.add_argument(
        "--value", type=_pair, action="append", default=[], metavar="NAME=VALUE",
        help="an example of an element of an input, which BYTES need; several are taken in turn",
    )  # fmt: skip
    parser.add_argument(
        "--input", type=_declared, action="append", default=[], metavar="NAME:DATATYPE:DIM,DIM",
        help="an input, where the model's metadata name none: x:FP32:-1,4",
    )  # fmt: skip
    parser.add_argument(
        "--header", type=_header, action="append", default=[], metavar="NAME:VALUE", help="a header of every request"
    )
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="what an answer may take")
    parser.add_argument("--only", action="append", metavar="PREFIX", help="checks whose ids begin so, such as infer.")
    parser.add_argument("--json", action="store_true", help="print a record a check, as JSON")
    return parser


def _url(said: str) -> str:
    parts = urlsplit(said)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{said!r} is no address such as http://127.0.0.1:8080")
    return said


def _pair(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{said!r} is not NAME=VALUE")
    return name, value


def _header(said: str) -> tuple[str, str]:
    name, colon, value = said.partition(":")
    if not (name.strip() and colon):
        raise argparse.ArgumentTypeError(f"{said!r} is not NAME:VALUE")
    return name.strip(), value.strip()


def _declared(said: str) -> Declared:
    try:
        name, datatype, shape = said.rsplit(":", 2)
        return Declared(name, datatype, tuple(int(size) for size in shape.split(",") if size))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{said!r} is not NAME:DATATYPE:DIM,DIM") from error


def _with_values(declared: Declared, values: dict[str, list[str]]) -> Declared:
    return Declared(declared.name, declared.datatype, declared.shape, tuple(values.get(declared.name, ())))


if __name__ == "__main__":
    sys.exit(main())
