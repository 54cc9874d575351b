"""Who may use an edge server: tokens, certificates, rights, and files that are none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fusepath.errors import InputError
from fusepath.remote.access import INFER, PROFILE, Access, NotAllowedError, Shown
from fusepath.remote.device_tls import CERTIFICATE, KEY, TOKEN, TOKEN_FILE, Papers

PEERS = """
[peers.robot]
token = "robots-have-this-one"
[peers.camera]
certificate = "camera-1"
rights = ["infer"]
"""
ROBOT, CAMERA = Shown(token="robots-have-this-one"), Shown(certificate="camera-1")


@pytest.fixture
def access(tmp_path) -> Access:
    (tmp_path / "peers.toml").write_text(PEERS)
    return Access(token="that-of-everybody-else", peers_file=tmp_path / "peers.toml")


def test_everybody_has_the_name_and_the_rights_of_the_file(access):
    assert access.admitted(ROBOT, PROFILE) == "robot"
    assert access.admitted(CAMERA, INFER) == "camera"
    assert not access.admitted(Shown(token="that-of-everybody-else"), PROFILE).isprintable()
    with pytest.raises(NotAllowedError, match="'camera' may not profile here") as denied:
        access.admitted(CAMERA, PROFILE)
    assert denied.value.known


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (Shown(), "no token was shown"),
        (Shown(certificate="camera-2"), "the certificate's name 'camera-2' is none of a peer here"),
        (Shown(token="robots-have-this-on"), "a wrong token was shown"),
        (Shown(token="röbots"), "a wrong token was shown"),
    ],
)
def test_nobody_else_is_let_in(access, shown, words):
    with pytest.raises(NotAllowedError, match=words) as unknown:
        access.admitted(shown, None)
    assert not unknown.value.known


def test_without_tokens_anybody_may():
    assert Access().is_open
    assert Access().admitted(Shown(), PROFILE) == ""


def test_a_file_that_changes_is_read_again_unless_it_is_none(access, tmp_path):
    file = tmp_path / "peers.toml"
    file.write_text(PEERS.replace("robots-have", "now-robots-have"))
    with pytest.raises(NotAllowedError):
        access.admitted(ROBOT, None)
    file.write_text("[peers.robot")
    assert access.admitted(Shown(token="now-robots-have-this-one"), None) == "robot"


def test_a_file_that_is_none_any_more_is_told_of_once_for_each_change(access, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fusepath.journal")
    for text in ("[peers.robot", "[peers.robot]"):
        (tmp_path / "peers.toml").write_text(text)
        for _ in range(3):
            assert access.admitted(CAMERA, INFER) == "camera"

    reasons = [record.fields["reason"] for record in caplog.records]
    assert len(reasons) == 2
    assert "cannot read the peers" in reasons[0]
    assert "needs a token or a certificate" in reasons[1]


BAD = {
    "no TOML": ("[peers", "cannot read the peers"),
    "another table": ("[devices.a]\ntoken = 'x'", "cannot read the peers"),
    "an unknown key": ("[peers.a]\ntokens = 'x'", "cannot read the peers"),
    "neither": ("[peers.a]\n", "needs a token or a certificate"),
    "both": ("[peers.a]\ntoken = 'sixteen-signs-or-more'\ncertificate = 'a'", "one of both"),
    "a short token": ("[peers.a]\ntoken = 'short'", "at least 16 are needed"),
    "a token with blanks": ("[peers.a]\ntoken = 'this is long enough'", "without blanks"),
    "an unknown right": ("[peers.a]\ncertificate = 'a'\nrights = ['all']", "unknown right 'all'"),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_a_file_of_peers_that_is_none_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "peers.toml").write_text(text)

    with pytest.raises(InputError, match=words) as caught:
        Access(peers_file=tmp_path / "peers.toml")

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_token_leaves_this_machine_encrypted_alone():
    papers = Papers.of({TOKEN: "robots-have-this-one"})

    for address in ("grpcs://edge:7070", "127.0.0.1:7070", "localhost:7070"):
        assert papers.metadata(address) == (("authorization", "Bearer robots-have-this-one"),)
    assert papers.metadata("edge:7070") is None
    assert Papers.of({}).metadata("grpcs://edge:7070") is None


def test_what_the_environment_names_is_whole():
    with pytest.raises(InputError, match="belong together"):
        Papers.of({CERTIFICATE: "a.pem"})
    with pytest.raises(InputError, match="cannot read the token"):
        Papers.of({TOKEN_FILE: "/nonexistent"})
    with pytest.raises(InputError, match="cannot read '/nonexistent'"):
        Papers.of({CERTIFICATE: "/nonexistent", KEY: "/nonexistent"}).credentials()
    assert Papers.of({CERTIFICATE: "a.pem", KEY: "a.key"}).key == Path("a.key")
