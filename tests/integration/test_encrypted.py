"""Encryption, certificates and tokens: who is let in, and what the others are told, in one line."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import pytest

import fusepath
from fusepath.errors import InputError, PeerRefusedError
from fusepath.onnx_io import load_model
from fusepath.remote.client import Timeout, connect
from fusepath.remote.device_tls import CA, CERTIFICATE, KEY, TOKEN, TOKEN_FILE, Papers, why_not
from fusepath.remote.server_tls import ServerTls
from tests.certificates import Authority, openssl
from tests.edges import Edge, edge_server
from tests.plans import pixels, plan_of
from tests.runs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates"),
]

SOURCE = "zoo:squeezenet?size=64&weights=integer"
RIGHT, WRONG = "a token that is right".replace(" ", "-"), "a token that is wrong".replace(" ", "-")


@pytest.fixture(autouse=True)
def bare(monkeypatch) -> None:
    """Nothing is shown or trusted but what a test says."""
    for name in (CA, CERTIFICATE, KEY, TOKEN, TOKEN_FILE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "theirs")


@contextmanager
def encrypted(certificate: tuple[Path, Path], *options: object) -> Iterator[Edge]:
    pem, key = certificate
    tls = ["--tls-cert", str(pem), "--tls-key", str(key)]
    with edge_server(*tls, *map(str, options)) as edge:
        yield edge


async def greet(address: str) -> None:
    async with connect(address, timeout=Timeout(connect_s=5.0)) as client:
        await client.clock_offset()


def assert_refused(address: str, words: str) -> None:
    with pytest.raises(PeerRefusedError, match=words) as caught:
        asyncio.run(greet(address))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.fixture(scope="module")
def unusable(ours, tmp_path_factory) -> dict[str, tuple[Path, Path]]:
    """Certificates and keys that are no pairs, by what is the matter with them."""
    folder = tmp_path_factory.mktemp("unusable")
    (pem, key), (_, other) = ours.signed("pair"), ours.signed("other")
    locked, torn, empty = (folder / name for name in ("locked.key", "torn.pem", "empty.pem"))
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked)
    torn.write_bytes(pem.read_bytes()[:200])
    empty.touch()
    return {
        "of others": (pem, other),
        "encrypted": (pem, locked),
        "torn": (torn, key),
        "empty": (empty, key),
    }


UNUSABLE = {
    "of others": "pair.pem' and the key in .*other.key' do not belong together",
    "encrypted": "the key in .*locked.key' is encrypted; give one without a passphrase",
    "torn": "torn.pem' and the key in .*pair.key' cannot be used",
    "empty": "empty.pem' holds no certificate in PEM",
}


@pytest.mark.parametrize(("kind", "words"), UNUSABLE.items(), ids=UNUSABLE)
def test_what_is_no_pair_is_told_on_both_sides(unusable, monkeypatch, kind, words):
    pem, key = unusable[kind]
    monkeypatch.setenv(CERTIFICATE, str(pem))
    monkeypatch.setenv(KEY, str(key))
    for use in (Papers.of().credentials, ServerTls(pem, key).credentials):
        with pytest.raises(InputError, match=words) as caught:
            use()
        assert "\n" not in str(caught.value)


def test_authorities_that_are_none_are_told_on_both_sides(ours, unusable, monkeypatch):
    torn, _ = unusable["torn"]
    monkeypatch.setenv(CA, str(torn))
    for use in (Papers.of().credentials, ServerTls(*ours.signed("a"), torn).credentials):
        with pytest.raises(InputError, match=r"torn.pem' holds no certificates that can be used"):
            use()


def test_a_pair_that_is_none_is_told_when_it_connects(ours, unusable, monkeypatch):
    pem, key = unusable["of others"]
    for name, path in ((CA, ours.pem), (CERTIFICATE, pem), (KEY, key)):
        monkeypatch.setenv(name, str(path))
    with (
        encrypted(ours.signed("edge")) as served,
        pytest.raises(InputError, match="do not belong together"),
    ):
        asyncio.run(greet(f"grpcs://{served.address}"))


@pytest.mark.parametrize("kind", ["of others", "encrypted"])
def test_a_pair_that_has_become_none_is_told_like_any_reason(unusable, kind):
    reason = why_not("grpcs://127.0.0.1:1", Papers(None, *unusable[kind]))
    assert isinstance(reason, PeerRefusedError)
    assert "the certificate and key of this device cannot be used" in str(reason)


def test_a_server_says_which_certificate_it_cannot_use(unusable):
    pem, key = unusable["of others"]
    options = ["--listen", "127.0.0.1:0", "--tls-cert", str(pem), "--tls-key", str(key)]
    command = [sys.executable, "-m", "fusepath", "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert f"the certificate in '{pem}' and the key in '{key}' do not belong" in done.stderr


def test_a_certificate_that_cannot_be_used_any_more_is_told_of(ours, unusable, caplog, tmp_path):
    caplog.set_level(logging.INFO, "fusepath.journal")
    pem, key = (shutil.copy(path, tmp_path) for path in ours.signed("edge"))
    fetch = fetched(ServerTls(Path(pem), Path(key)))
    shutil.copy(unusable["of others"][1], key)

    assert [fetch(), fetch()] == [None, None]
    assert ["do not belong together" in item.fields["reason"] for item in caplog.records] == [True]


def fetched(tls: ServerTls) -> Any:
    """What gRPC calls with every connection."""
    with patch("grpc.dynamic_ssl_server_credentials") as asked:
        tls.credentials()
    return asked.call_args.args[1]


def test_certificates_that_the_page_makes_are_taken_on_both_sides(monkeypatch, tmp_path):
    """But for the address, which is that of loopback here."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "tls.md"
    shown = "".join(re.findall(r"^```\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
    made = "\n".join(line for line in shown.splitlines() if "$  " not in line)
    script = made.replace("192.168.1.20", "127.0.0.1")
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, capture_output=True)
    names = ("ca.pem", "edge.pem", "edge.key", "camera.pem", "camera.key")
    ca, pem, key, *shows = (tmp_path / name for name in names)
    monkeypatch.setenv(CA, str(ca))

    with encrypted((pem, key), "--tls-client-ca", ca) as served:
        address = f"grpcs://{served.address}"
        assert_refused(address, "asks for a certificate of this device")
        for name, path in zip((CERTIFICATE, KEY), shows, strict=True):
            monkeypatch.setenv(name, str(path))
        asyncio.run(greet(address))


def test_an_encrypted_run_is_exact_and_certificates_are_exchanged_while_it_serves(
    ours, theirs, monkeypatch, tmp_path
):
    pem, key = (tmp_path / name for name in ("edge.pem", "edge.key"))
    for source, target in zip(ours.signed("edge"), (pem, key), strict=True):
        shutil.copy(source, target)
    model = load_model(SOURCE)
    plan = plan_of(model, tau=4, grid=(2, 2), cuts=[1, 3, 5, 2])
    monkeypatch.setenv(CA, str(ours.pem))

    with encrypted((pem, key)) as edge:
        address = f"grpcs://{edge.address}"
        report = run(model, pixels(model), edge=address, plan=plan, verify=True, timeout_s=20)
        assert report.comparison.bit_equal

        pem.write_text("half of a certif")
        asyncio.run(greet(address))  # what was there before holds
        for source, target in zip(theirs.signed("edge"), (pem, key), strict=True):
            shutil.copy(source, target)
        assert_refused(address, "its certificate is not trusted")
        monkeypatch.setenv(CA, str(theirs.pem))
        asyncio.run(greet(address))


def test_who_is_not_trusted_or_speaks_otherwise_is_told_so(ours, theirs, edge, monkeypatch):
    with encrypted(ours.signed("edge")) as served:
        assert_refused(served.address, f"it is encrypted; use grpcs://{served.address}")
        assert_refused(f"grpcs://{served.address}", "its certificate is not trusted")
        monkeypatch.setenv(CA, str(theirs.pem))
        assert_refused(f"grpcs://{served.address}", "its certificate is not trusted")
        monkeypatch.setenv(CA, str(ours.pem))
        assert_refused(f"grpcs://{edge.address}", "it is not encrypted; leave grpcs:// out")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"days": -1}, "expired"), ({"host": "DNS:elsewhere"}, "IP address mismatch")],
)
def test_a_certificate_out_of_time_or_place_is_not_trusted(ours, monkeypatch, options, words):
    monkeypatch.setenv(CA, str(ours.pem))
    with encrypted(ours.signed("edge", **options)) as served:
        assert_refused(f"grpcs://{served.address}", f"its certificate is not trusted: .*{words}")


def test_what_python_dislikes_and_grpc_takes_keeps_nobody_off(ours, monkeypatch):
    """As of Python 3.13 on: an authority that does not say what its key is for."""
    usual = ssl.create_default_context

    def strict(**options: Any) -> ssl.SSLContext:
        context = usual(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    monkeypatch.setenv(CA, str(ours.pem))
    with encrypted(ours.signed("edge", host="DNS:elsewhere")) as served:
        assert_refused(f"grpcs://{served.address}", "IP address mismatch")


def test_devices_show_certificates_where_they_are_asked_for(ours, theirs, monkeypatch, tmp_path):
    monkeypatch.setenv(CA, str(ours.pem))
    peers = tmp_path / "peers.toml"
    peers.write_text('[peers.camera]\ncertificate = "camera"\nrights = ["infer"]\n')
    options = ["--tls-client-ca", ours.pem, "--peers", peers]

    def show(certificate: tuple[Path, Path]) -> None:
        for name, path in zip((CERTIFICATE, KEY), certificate, strict=True):
            monkeypatch.setenv(name, str(path))

    with encrypted(ours.signed("edge"), *options) as served:
        address = f"grpcs://{served.address}"
        assert_refused(address, "asks for a certificate of this device; set FUSEPATH_TLS_CERT")
        show(theirs.signed("camera"))
        assert_refused(address, "does not take this device's certificate")
        show(ours.signed("stranger"))
        assert_refused(address, "the certificate's name 'stranger' is none of a peer here")
        show(ours.signed("camera"))
        asyncio.run(greet(address))
        with pytest.raises(PeerRefusedError, match="'camera' may not profile here"):
            asyncio.run(profile(address))


async def profile(address: str) -> None:
    async with connect(address) as client:
        await client.profile(load_model(SOURCE))


def test_tokens_are_asked_for_and_may_change_while_it_serves(monkeypatch, tmp_path):
    token = tmp_path / "token"
    token.write_text(RIGHT + "\n")
    with edge_server("--token-file", str(token)) as served:
        assert_refused(served.address, "refused: no token was shown")
        monkeypatch.setenv(TOKEN, WRONG)
        assert_refused(served.address, "refused: a wrong token was shown")
        monkeypatch.setenv(TOKEN, RIGHT)
        asyncio.run(greet(served.address))
        token.write_text("another-token-of-today")
        assert_refused(served.address, "refused: a wrong token was shown")
        monkeypatch.delenv(TOKEN)
        monkeypatch.setenv(TOKEN_FILE, str(token))
        asyncio.run(greet(served.address))


def test_a_device_that_may_not_profile_still_finds_a_plan(monkeypatch, tmp_path):
    """The edge server is taken to be like the device, as quick as it computes the whole network."""
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[peers.camera]\ntoken = "{RIGHT}"\nrights = ["infer"]\n')
    monkeypatch.setenv(TOKEN, RIGHT)
    options = fusepath.SessionOptions(
        fallback=fusepath.FallbackPolicy.OFF,
        remember=False,
        emulation=fusepath.Emulation(slowdown=50),
    )
    with (
        edge_server("--peers", str(peers)) as served,
        fusepath.Session(SOURCE, served.address, options=options) as session,
    ):
        frame = np.zeros((64, 64, 3), dtype=np.uint8)
        session.infer(frame)
        session.wait_ready(60)
        result = session.infer(frame)

    assert result.plan.cuts != (session.model.graph.depth + 1,)  # not alone, fifty times slower
    assert result.fallback is None
