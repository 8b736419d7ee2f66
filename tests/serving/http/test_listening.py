"""Where lr-serve listens, who may ask it there, and what it says where it cannot."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from lr_runtime.commands.serve import main
from lr_runtime.serving.listening import opened, token_of
from lr_runtime.serving.options import ListenOptions
from tests.serving.http.test_malformed import get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.serving.conftest import Serving


def refused(model: Path, *options: object) -> tuple[int, str]:
    """Return the exit code and the one line of a command that does not start."""
    done = CliRunner().invoke(main, [str(model), *map(str, options)])
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.exit_code, done.stderr


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def line(models: Path) -> Path:
    return models / "line.onnx"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - none is bound
def test_an_open_address_asks_who_may_ask(line: Path, host: str) -> None:
    code, said = refused(line, "--host", host)
    assert code == 2
    assert "--token-file FILE or --allow-anonymous" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_asks_nothing(host: str) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    with opened(ListenOptions(host=host, port=0)) as listening:
        assert listening.getsockname()[1] > 0


def test_an_address_that_is_none(line: Path) -> None:
    code, said = refused(line, "--host", "no such host")
    assert code == 1
    assert 'lr-serve: --host "no such host": no such address' in said


def test_a_port_in_use(line: Path, server: Serving) -> None:
    host, port = server.address
    code, said = refused(line, "--port", port)
    assert code == 1
    assert f"cannot listen at {host} port {port} (Address already in use). Name another --port" in said


def test_an_address_of_another_machine(line: Path) -> None:
    code, said = refused(line, "--host", "192.0.2.1", "--allow-anonymous", "--port", 0)
    assert code == 1
    assert "cannot listen at 192.0.2.1 port 0" in said


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"one\ntwo\n", "has more than one line"),
        (b"a token", "has other characters"),
        ("größe".encode(), "has other characters"),
        (b"a\x00", "has other characters"),
    ],
)
def test_a_file_without_a_token(line: Path, tmp_path: Path, content: bytes, wrong: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    code, said = refused(line, "--token-file", path)
    assert code == 2
    assert f"{path}: {wrong}. It takes one line" in said


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_end_of_its_line_is_no_part_of_a_token(tmp_path: Path, end: bytes) -> None:
    (tmp_path / "token").write_bytes(b"s3cret.~_-+/==" + end)
    assert token_of(str(tmp_path / "token")) == "s3cret.~_-+/=="


def test_a_file_of_a_token_that_is_not_there(line: Path, tmp_path: Path) -> None:
    assert refused(line, "--token-file", tmp_path / "none")[0] == 1


def test_a_token_or_anyone(line: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    code, said = refused(line, "--token-file", tmp_path / "token", "--allow-anonymous")
    assert code == 2
    assert "--token-file" in said


@pytest.mark.parametrize("option", ["--certfile", "--keyfile"])
def test_a_certificate_without_its_key(line: Path, option: str) -> None:
    code, said = refused(line, option, "there.pem")
    assert code == 2
    assert "--certfile and --keyfile belong together" in said


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl: apt install openssl")


def certificate(folder: Path, *key: str) -> tuple[Path, Path]:
    files = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", *key, "-subj", "/CN=localhost", "-days", "2"]
    named = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run([*command, *named], check=True, capture_output=True)
    return files


P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@needs_openssl
@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        (("ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-nodes"), "its key is none of RSA, P-256"),
        (("ed448", "-nodes"), "its key is none of RSA, P-256"),
        ((*P256[:-1], "-passout", "pass:secret"), "not a pair of PEM without a password"),
    ],
)
def test_a_key_that_the_server_cannot_use(line: Path, tmp_path: Path, key: tuple[str, ...], wrong: str) -> None:
    cert, its_key = certificate(tmp_path, *key)
    code, said = refused(line, "--certfile", cert, "--keyfile", its_key)
    assert code == 1
    assert wrong in said


@needs_openssl
def test_files_that_are_no_pair(line: Path, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, *P256)
    key.write_text("no key")
    code, said = refused(line, "--certfile", cert, "--keyfile", key)
    assert code == 1
    assert "not a pair of PEM" in said


@needs_openssl
@pytest.mark.parametrize("key", [P256, ("rsa:2048", "-nodes"), ("ed25519", "-nodes")])
def test_a_certificate_of_version_1(line: Path, tmp_path: Path, key: tuple[str, ...]) -> None:
    cert, its_key = certificate(tmp_path, *key)
    asked = str(tmp_path / "asked")
    request = ["openssl", "req", "-new", "-key", str(its_key), "-subj", "/CN=localhost", "-out", asked]
    sign = ["openssl", "x509", "-req", "-in", asked, "-signkey", str(its_key), "-out", str(cert)]
    for command in (request, sign):
        subprocess.run(command, check=True, capture_output=True)
    if b"\xa0\x03\x02\x01\x02" in ssl.PEM_cert_to_DER_cert(cert.read_text()):
        pytest.skip("this openssl makes version 3")
    code, said = refused(line, "--certfile", cert, "--keyfile", its_key)
    assert code == 1
    assert f"--certfile {cert}: it is of X.509 version 1" in said


@needs_openssl
@pytest.mark.parametrize("marked", [0, 1])
def test_a_byte_order_mark_before_pem(line: Path, tmp_path: Path, marked: int) -> None:
    files = certificate(tmp_path, *P256)
    files[marked].write_bytes(b"\xef\xbb\xbf" + files[marked].read_bytes())
    code, said = refused(line, "--certfile", files[0], "--keyfile", files[1])
    assert code == 1
    assert f"{files[marked]}: begins with a byte order mark" in said


@needs_openssl
def test_tls(start: Callable[..., Serving], tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, *P256)
    serving = start("--certfile", cert, "--keyfile", key, model="line.onnx")
    assert serving.url.startswith("https://127.0.0.1:")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(cert))
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(serving.address, timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            client.sendall(get(headers=b"Connection: close\r\n"))
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")


def test_ipv6_a_token_and_a_warning(models: Path, tmp_path: Path, start: Callable[..., Serving]) -> None:
    if not has_ipv6():
        pytest.skip("there is no IPv6 here")
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o644)
    serving = start("--host", "::1", "--token-file", token, model="line.onnx")
    assert serving.url.startswith("http://[::1]:")
    refusal = serving.ask("/predict", [[4.0]])
    assert refusal.status == 401
    assert refusal.headers["www-authenticate"].startswith("Basic ")  # and Bearer: a browser asks for a password
    assert "s3cret" not in refusal.error
    alone, password = (f"Basic {b64encode(each).decode()}" for each in (b"s3cret", b"anyone:s3cret"))
    for wrong in ("Bearer s3cre", "Bearer s3cret0", "Basic s3cret", alone, "Digest s3cret", "s3cret", "Bearer größe"):
        asked = {"Authorization": wrong.encode().decode("latin-1")}
        assert serving.ask("/predict", [[4.0]], headers=asked).status == 401
        assert serving.ask("/v2", headers=asked).status == 401
        assert serving.ask("/nothing", headers=asked).status == 401
    for right in ("Bearer s3cret", "bearer s3cret", password):
        assert serving.ask("/predict", [[4.0]], headers={"Authorization": right}).status == 200
    assert serving.ask("/v2/health/ready").status == serving.ask("/v2/health/live").status == 200
    serving.process.terminate()
    assert serving.process.stderr is not None
    assert f"warning: everyone here can read {token}" in serving.process.stderr.read()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="needs Linux")
def test_a_client_that_takes_no_answer_is_dropped() -> None:
    with opened(ListenOptions(port=0)) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
