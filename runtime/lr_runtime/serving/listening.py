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
from typing import TYPE_CHECKING

from lr_runtime.errors import OptionError, UnusableFileError, escaped
from lr_runtime.system.files import read_bytes

if TYPE_CHECKING:
    from lr_runtime.serving.options import ListenOptions

BACKLOG = 1024  # connections that the kernel holds until they are accepted: a burst of a few milliseconds
_TAKEN_SECONDS = 10
"""In which a client has to take some of an answer: one that reads nothing would hold it in memory for ever."""
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_KEYS = tuple(map(bytes.fromhex, ("06092a864886f70d010101", "06082a8648ce3d030107", "06052b81040022", "06032b6570")))
"""The object identifiers of the public keys that granian (rustls) takes; of another it would end the process."""
_VERSION_3 = bytes.fromhex("a003020102")
"""How X.509 version 3 begins, behind two headers of at most four bytes; at another granian would end the process."""
_BYTE_ORDER_MARK = "\xef\xbb\xbf"  # before a first line that OpenSSL reads, and granian does not
_SO_ATTACH_FILTER = 26  # linux/socket.h; Python has no name for it


def opened(options: ListenOptions) -> socket.socket:
    """Return a socket that listens where the options say.

    Raises:
        UnusableFileError: the name has no address here, or the system refuses it.
        OptionError: others than this machine reach it, and the options do not say who may ask.
    """
    host = escaped(options.host)
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnusableFileError(f"--host {host}: no such address ({reason})") from error
    family, number = found[0][0], str(found[0][4][0])
    is_open = options.token_file is None and not options.allow_anonymous
    if is_open and not ipaddress.ip_address(number).is_loopback:
        who = "Say who may ask: --token-file FILE or --allow-anonymous"
        raise OptionError(f"--host {host} is reached from other machines. {who}")
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        listening = socket.create_server((number, options.port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        where, reason = f"{number} port {options.port}", os.strerror(error.errno or 0)
        raise UnusableFileError(f"cannot listen at {where} ({reason}). Name another --port") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # its connections have it from this socket
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _TAKEN_SECONDS)
    return listening


def token_of(path: str | None) -> str | None:
    """Return the token in a file; None without one. Raises OptionError where it is none that a header can carry."""
    if path is None:
        return None
    content = read_bytes(path, "Write a token into it: openssl rand -hex 32 > FILE", 4096).decode("latin-1")
    token = content.removesuffix("\n").removesuffix("\r")
    if not _TOKEN.fullmatch(token):
        wrong = "is empty" if not token else "has more than one line" if "\n" in token else "has other characters"
        raise OptionError(f"--token-file {path}: {wrong}. It takes one line of letters, digits and ._~+/-=")
    return token


def check_certificate(certificate: str | None, key: str | None) -> None:
    """Raise OptionError where only one of both is named; UnusableFileError where they are none that serve."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise OptionError("--certfile and --keyfile belong together. Name both")
    contents = [read_bytes(path, "Name a file of PEM", 1 << 20).decode("latin-1") for path in (certificate, key)]
    for path, content in zip((certificate, key), contents, strict=True):
        if content.startswith(_BYTE_ORDER_MARK):
            raise UnusableFileError(f"{path}: begins with a byte order mark, which is no PEM. Save it without one")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
        _, begin, rest = contents[0].partition("-----BEGIN CERTIFICATE-----")
        first = ssl.PEM_cert_to_DER_cert(begin + "".join(rest.partition("-----END CERTIFICATE-----")[:2]))
    except (ssl.SSLError, ValueError) as error:
        reason = (getattr(error, "reason", None) or "no PEM").lower().replace("_", " ")
        what = f"--certfile {certificate}, --keyfile {key}: not a pair of PEM without a password"
        raise UnusableFileError(f"{what} ({reason})") from error
    if _VERSION_3 not in first[:13]:
        made = "Make it by openssl req -x509, or by openssl x509 with -extfile"
        raise UnusableFileError(f"--certfile {certificate}: it is of X.509 version 1, and version 3 is needed. {made}")
    if not any(kind in first for kind in _KEYS):
        raise UnusableFileError(f"--certfile {certificate}: its key is none of RSA, P-256, P-384 and Ed25519. Take one")


def refuse_new(listening: socket.socket) -> None:
    """Have the kernel drop what would open a new connection, on Linux; those that wait are still there to be accepted.

    A client asks again after a second. Without this, one that connects between the last accept and the close of the
    socket is reset: 7 of 266,000 requests in 200 restarts were lost so, with it none.
    """
    # Classic BPF on a TCP header: load its flags; of SYN and ACK, is SYN alone set? Then keep 0 bytes, else all.
    program = [(0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
    filter_ = struct.pack("HP", len(program), ctypes.addressof(code))
    with suppress(OSError):  # of other systems, or one that forbids it
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filter_)
