"""Who may use an edge server, and what for: tokens and certificates, from files that may change."""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fusepath.errors import InputError, one_line
from fusepath.remote.stamps import Stamps, Unusable, stamps_of

LEAST_TOKEN_LENGTH = 16
LONGEST_NAME = 64
"""Characters of a certificate's name that are repeated; as many as X.520 allows."""
INFER, PROFILE = "infer", "profile"
RIGHTS = (INFER, PROFILE)


class PeerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device of a file of peers."""

    token: str = ""
    """That it shows; none where it is known by its certificate."""
    certificate: str = ""
    """Common name of the certificate that it shows."""
    rights: tuple[str, ...] = RIGHTS


class _PeersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    peers: dict[str, PeerEntry]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a caller shows of itself."""

    token: str = ""
    certificate: str = ""


class NotAllowedError(Exception):
    """A caller may not; the reason in one line."""

    def __init__(self, reason: str, *, known: bool = False) -> None:
        self.known = known
        """Whether it is somebody who may do other things."""
        super().__init__(reason)


class Access:
    """Knows peers by their tokens and certificates; files are read again when they change.

    Args:
        token: that anybody may show; empty for none.
        token_file: a file that holds such a token.
        peers_file: TOML, ``[peers.NAME]`` with ``token`` or ``certificate``, and ``rights``.

    Raises:
        InputError: a file cannot be read or is none, or a token is too short.
    """

    def __init__(
        self,
        *,
        token: str = "",
        token_file: str | Path | None = None,
        peers_file: str | Path | None = None,
    ) -> None:
        self._token = _checked(token, "the token") if token else ""
        self._token_file = None if token_file is None else Path(token_file)
        self._peers_file = None if peers_file is None else Path(peers_file)
        self._stamps: Stamps = ()
        self._unusable = Unusable()
        self._peers: dict[str, PeerEntry] = {}
        self._read()

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything."""
        return not (self._token or self._token_file or self._peers_file)

    def admitted(self, shown: Shown, right: str | None) -> str:
        """The name of whoever shows this; empty where anybody may.

        Args:
            shown: by the caller.
            right: what it wants to do; None for what everybody known may.

        Raises:
            NotAllowedError: nobody known shows this, or not somebody who may do that.
        """
        if self.is_open:
            return ""
        self._refresh()
        digest, found = _digest(shown.token), ""
        for name, entry in self._peers.items():  # all of them: the time taken tells nothing
            if entry.token and hmac.compare_digest(_digest(entry.token), digest):
                found = name
            if entry.certificate and entry.certificate == shown.certificate:
                found = found or name
        if not found:
            raise NotAllowedError(self._unknown(shown))
        if right is not None and right not in self._peers[found].rights:
            raise NotAllowedError(f"'{found}' may not {right} here", known=True)
        return found

    def _unknown(self, shown: Shown) -> str:
        """Why somebody is not known."""
        if shown.token:
            return "a wrong token was shown, and this server asks for one"
        if shown.certificate and self._peers_file is not None:
            name = one_line(shown.certificate, LONGEST_NAME)
            return f"the certificate's name '{name}' is none of a peer here, and no token was shown"
        return "no token was shown, and this server asks for one"

    def _refresh(self) -> None:
        """Read the files again, if they have changed and are as they should be."""
        now = self._now()
        if self._stamps != now:
            try:
                self._read()
            except InputError as error:  # being written, say: what was read before holds
                self._unusable.tell(now, error)

    def _now(self) -> Stamps:
        return stamps_of((self._token_file, self._peers_file))

    def _read(self) -> None:
        stamps = self._now()
        peers = {}
        if self._peers_file is not None:
            peers.update(_peers(self._peers_file))
        tokens = [self._token] if self._token else []
        if self._token_file is not None:
            tokens.append(read_token(self._token_file))
        for number, token in enumerate(tokens):
            # No name of a file: these peers are told apart by their connections.
            peers[f"\0{number}"] = PeerEntry(token=token)
        self._peers, self._stamps = peers, stamps


def read_token(path: Path) -> str:
    """The token of a file: its text, blanks around it left out.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the token in '{path}': {_why(error)}") from error
    return _checked(text, f"the token in '{path}'")


def _checked(token: str, what: str) -> str:
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise InputError(f"{what} has signs other than printable ASCII without blanks")
    if len(token) < LEAST_TOKEN_LENGTH:
        raise InputError(f"{what} has {len(token)} signs; at least {LEAST_TOKEN_LENGTH} are needed")
    return token


def _peers(path: Path) -> dict[str, PeerEntry]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        peers = msgspec.convert(document, _PeersFile).peers
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InputError(f"cannot read the peers in '{path}': {_why(error)}") from error
    for name, entry in peers.items():
        where = f"peer '{name}' in '{path}'"
        if bool(entry.token) == bool(entry.certificate):
            raise InputError(f"{where} needs a token or a certificate, one of both")
        if unknown := sorted(set(entry.rights) - set(RIGHTS)):
            raise InputError(
                f"{where} has unknown right '{unknown[0]}'; known: {', '.join(RIGHTS)}"
            )
        if entry.token:
            _checked(entry.token, f"the token of {where}")
    return peers


def _why(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
