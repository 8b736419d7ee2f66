"""What a server is told: where it listens, who may ask, and the most that a request may take."""

from __future__ import annotations

from dataclasses import dataclass

from lr_runtime.errors import OptionError
from lr_runtime.options import AT_LEAST_1, FLAG, POSITIVE, TEXT, Number, check_options, option

_PORT = Number("a port between 0 and 65535", 0, 65535, is_whole=True)


@dataclass(frozen=True)
class Limits:
    """The most that one request may take; what is beyond is refused before it is read or computed."""

    max_body: int = option(16 << 20, AT_LEAST_1, "The most bytes of a request's body.")
    max_rows: int = option(100_000, AT_LEAST_1, "The most rows of a request.")
    deadline: float = option(10.0, POSITIVE, "The seconds in which a request has to arrive whole.")

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class ListenOptions:
    """Where lr-serve listens, and who may ask."""

    host: str = option("127.0.0.1", TEXT, "The address to listen on; others than loopback need a token.")
    port: int = option(8080, _PORT, "The port; 0 takes a free one, and says which.")
    token_file: str | None = option(None, TEXT, "A file with the token that requests have to carry.")
    allow_anonymous: bool = option(False, FLAG, "Answer anyone who reaches the address.")
    certfile: str | None = option(None, TEXT, "The certificate chain of TLS, in PEM.")
    keyfile: str | None = option(None, TEXT, "Its private key, in PEM.")
    log_json: bool = option(False, FLAG, "Write a line of JSON for each request to standard error.")

    def __post_init__(self) -> None:
        check_options(self)
        if self.token_file is not None and self.allow_anonymous:
            raise OptionError("--allow-anonymous answers without a token. Give it, or --token-file, not both")
