"""Where a server listens, who may ask it there, and with which certificate: settled before it serves."""

from __future__ import annotations

import ctypes
import ipaddress
import os
import re
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lr_runtime.errors import OptionError, UnusableFileError, escaped
from lr_runtime.system.files import read_bytes

if TYPE_CHECKING:
    from lr_runtime.serving.options import ListenOptions

BACKLOG = 1024
"""Connections that the kernel holds until they are accepted: what a burst of clients brings in a few milliseconds."""
_TAKEN_SECONDS = 10
"""In which a client has to take some of an answer: one that reads nothing would hold it in memory for ever."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_LARGEST_TOKEN = 4096  # a header's, of which all together may have 16 kB
_KEYS = tuple(map(bytes.fromhex, ("06092a864886f70d010101", "06082a8648ce3d030107", "06052b81040022", "06032b6570")))
"""The object identifiers of the public keys that granian (rustls) takes; of another it would end the process."""
_SO_ATTACH_FILTER = 26  # linux/socket.h; Python has no name for it


class Address(NamedTuple):
    """What a name and a port stand for: IPv4 or IPv6, the number of the host, the port."""

    family: socket.AddressFamily
    host: str
    port: int

    @classmethod
    def of(cls, options: ListenOptions) -> Address:
        """Look the name up, and see who may ask there.

        Raises:
            UnusableFileError: it has no address here.
            OptionError: others than this machine reach it, and the options do not say who may ask.
        """
        name, host = options.host, escaped(options.host)
        try:
            found = socket.getaddrinfo(name or "::", options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnusableFileError(f"--host {host}: no such address ({reason})") from error
        address = cls(found[0][0], str(found[0][4][0]), options.port)
        is_open = options.token_file is None and not options.allow_anonymous
        if is_open and not ipaddress.ip_address(address.host).is_loopback:
            raise OptionError(
                f"--host {host} is reached from other machines. Say who may ask: --token-file FILE or --allow-anonymous"
            )
        return address

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def opened(self) -> socket.socket:
        """Return a socket that listens there. Raises UnusableFileError where the system refuses."""
        both = self.family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        try:
            place = (self.host, self.port)
            opened = socket.create_server(place, family=self.family, backlog=BACKLOG, dualstack_ipv6=both)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise UnusableFileError(f"cannot listen at {self} ({reason}). Name another --port") from error
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # its connections have it from this socket
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _TAKEN_SECONDS)
        return opened


def token_of(path: str | None) -> str | None:
    """Return the token in a file; None without one. Raises OptionError where it is none that a header can carry."""
    if path is None:
        return None
    content = read_bytes(path, "Write a token into it: openssl rand -hex 32 > FILE", _LARGEST_TOKEN)
    token = content.decode("latin-1").removesuffix("\n").removesuffix("\r")
    if not _TOKEN.fullmatch(token):
        wrong = "is empty" if not token else "has more than one line" if "\n" in token else "has other characters"
        raise OptionError(f"--token-file {path}: {wrong}. It takes one line of letters, digits and ._~+/-=")
    return token


def is_world_readable(path: str) -> bool:
    """Whether everyone on this machine may read a file."""
    return bool(Path(path).stat().st_mode & 0o004)


def check_certificate(options: ListenOptions) -> None:
    """Raise OptionError where a certificate and its key are not both there, or UnusableFileError where they are odd."""
    certificate, key = options.certfile, options.keyfile
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise OptionError("--certfile and --keyfile belong together. Name both")
    for path in (certificate, key):
        read_bytes(path, "Name a file of PEM", 1 << 20)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: _is_encrypted(key))
    except ssl.SSLError as error:
        reason = (error.reason or "no PEM").lower().replace("_", " ")
        raise UnusableFileError(f"--certfile {certificate}, --keyfile {key}: not a pair in PEM ({reason})") from error
    _, begin, rest = Path(certificate).read_text("latin-1").partition("-----BEGIN CERTIFICATE-----")
    first, end, _ = rest.partition("-----END CERTIFICATE-----")
    if not any(kind in ssl.PEM_cert_to_DER_cert(begin + first + end) for kind in _KEYS):
        raise UnusableFileError(f"--certfile {certificate}: its key is none of RSA, P-256, P-384 and Ed25519. Take one")


def _is_encrypted(key: str) -> str:
    raise UnusableFileError(f"--keyfile {key}: is encrypted. Run: openssl pkey -in {key} -out FILE")


def refuse_new(listening: socket.socket) -> None:
    """Have the kernel drop what would open a new connection, on Linux; those that wait are still there to be accepted.

    A client asks again after a second, and finds the next server or nobody. Without this, a connection that is made
    between the last one accepted and the closing of the socket would be reset with the request that it carries.
    """
    # Classic BPF on a TCP header: load its flags; of SYN and ACK, is SYN alone set? Then keep 0 bytes, else all.
    program = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    with suppress(OSError):  # of other systems, or one that forbids it
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
        )
