"""How this package words a refusal: one line that names the model, the node and the reason."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fusepath.errors import FusepathError, ModelError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import NodeProto


def bad_model(model: str, reason: str) -> ModelError:
    """The error for a model as a whole."""
    return ModelError(f"model '{one_line(model)}': {reason}")


def bad_node(model: str, node: NodeProto, reason: str) -> ModelError:
    """The error for one node: its name, or what it makes, its type and what is wrong with it."""
    made = next(filter(None, node.output), "")
    which = f"node '{one_line(node.name)}'" if node.name else f"the node of '{one_line(made)}'"
    return bad_model(model, f"{which} ({one_line(node.op_type)}): {reason}")


@contextmanager
def translated(model: str, what: str) -> Iterator[None]:
    """Turn whatever a foreign library raises into a ModelError.

    The checker and the parser raise more than they document (UnicodeDecodeError, RuntimeError,
    …), so the seam catches all of it. Where memory ends, that is no fault of the model.

    Raises:
        ModelError: something below failed; ``what`` says during which step.
        MemoryError: there is not enough for it.
    """
    try:
        yield
    except (FusepathError, MemoryError):
        raise
    except Exception as error:
        detail = one_line(error) or type(error).__name__
        raise bad_model(model, f"{what}: {detail}") from error
