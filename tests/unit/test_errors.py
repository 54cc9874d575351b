"""One tree of errors, each with the exit code that the documentation names."""

from __future__ import annotations

import pytest

from fusepath import errors

DOCUMENTED = {
    "FusepathError": 2,
    "VerificationError": 1,
    "InputError": 2,
    "ModelError": 2,
    "UnsupportedOperatorError": 2,
    "SettingError": 2,
    "GeometryError": 2,
    "ImageError": 2,
    "FileFormatError": 2,
    "OutputError": 2,
    "AlgorithmError": 2,
    "PeerError": 3,
    "PeerUnreachableError": 3,
    "PeerBusyError": 3,
    "PeerRefusedError": 3,
    "PeerTimeoutError": 3,
    "ClosedError": 2,
    "DroppedError": 2,
    "NoPlanError": 4,
    "InfeasibleError": 4,
    "UndecidedError": 4,
}


def all_errors() -> dict[str, type[errors.FusepathError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }


def test_every_error_has_its_documented_exit_code():
    assert {name: kind.exit_code for name, kind in all_errors().items()} == DOCUMENTED


def test_every_error_is_drawn_in_the_tree():
    assert errors.__doc__ is not None
    for name in all_errors():
        assert name in errors.__doc__


def test_an_unsupported_operator_says_which_why_and_what_to_do():
    error = errors.UnsupportedOperatorError(
        node="gap_1", op_type="GlobalAveragePool", reason="needs it all", hint="end before it"
    )

    assert str(error) == (
        "cannot tile node 'gap_1' (GlobalAveragePool): needs it all; end before it"
    )
    assert (error.node, error.op_type) == ("gap_1", "GlobalAveragePool")


@pytest.mark.parametrize("kind", [errors.PeerRefusedError, errors.PeerTimeoutError])
def test_a_peer_error_names_the_peer(kind):
    error = kind("10.0.0.2:7070", "refused")

    assert str(error) == "edge 10.0.0.2:7070: refused"
    assert error.peer == "10.0.0.2:7070"
