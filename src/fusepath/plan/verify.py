"""Can a plan be carried out on a model? Answered without the code that makes plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fusepath.cost import LOSSY, is_lossy
from fusepath.errors import FileFormatError, FusepathError, one_line
from fusepath.plan.limits.check import limit_violations
from fusepath.plan.plan import MAX_PATHS, PLAN_FORMAT, PLAN_VERSION
from fusepath.plan.recipe import TailPlace
from fusepath.tiling import layout
from fusepath.units import number_of

_MOST_WORDS = 500
"""Characters of a complaint, which may list as many numbers as the plan has."""

if TYPE_CHECKING:
    from fusepath.graph import ModelGraph
    from fusepath.plan.plan import Plan
    from fusepath.plan.recipe import Recipe


def check_plan(plan: Plan, graph: ModelGraph) -> None:
    """Raise unless a plan can be carried out on a model and keeps to its own constraints.

    Raises:
        FileFormatError: another version, another model, or numbers that do not fit.
    """
    if plan.format != PLAN_FORMAT or plan.version != PLAN_VERSION:
        raise FileFormatError(
            f"plan: {one_line(plan.format, 80)} version {plan.version}; this fusepath reads "
            f"{PLAN_VERSION}"
        )
    check_recipe(plan.recipe, graph)
    for way, compression, codecs in (
        ("", plan.compression, plan.codecs),
        ("back_", plan.back_compression, plan.back_codecs),
    ):
        if {name: item.codec for name, item in compression.items()} != codecs:
            raise FileFormatError(
                f"plan: '{way}compression' is not that of the recipe's '{way}codecs'"
            )
    asked = LOSSY.get(plan.request.lossy, frozenset())
    if unasked := [name for name in plan.codecs.values() if is_lossy(name) and name not in asked]:
        raise FileFormatError(
            f"plan: codec '{unasked[0][:80]}' changes values, and 'request' does not ask for that"
        )
    if plan.changes is not msgspec.UNSET and plan.is_exact:
        raise FileFormatError("plan: 'changes' of a plan that changes nothing")
    if plan.recipe.forwards and (
        not plan.source or plan.source.forwarding != plan.recipe.forwarding
    ):
        raise FileFormatError("plan: 'source' is not that of the recipe's 'forwarding'")
    limits = plan.request.constraints
    if limits and (wrong := limit_violations(plan, graph, limits)):
        raise FileFormatError(f"plan: breaks its own constraints: {wrong[0]}")


def _check_forwarding(recipe: Recipe, graph: ModelGraph) -> None:
    """Raise unless the file of the input can be sent in its place.

    Raises:
        FileFormatError: the model takes no pictures, or the plan splits it.
    """
    taken = graph.input
    if recipe.input.dtype != "uint8" or not taken.is_map or taken.channels not in {1, 3, 4}:
        raise FileFormatError(f"plan: 'forwarding' of pictures, but '{graph.name}' takes none")
    if recipe.cuts != (1,) or recipe.tau != graph.depth or recipe.codecs:
        raise FileFormatError("plan: 'forwarding' has one cut, 1, and no codecs")


def _check_codecs(recipe: Recipe, rest: ModelGraph) -> None:
    """Raise unless codecs are those of tensors that cross, and what returns comes as it is.

    Raises:
        FileFormatError: they are not.
    """
    cuts = recipe.rest.cuts
    for field, codecs, crosses, verb in (
        ("codecs", recipe.codecs, rest.sent, "sends"),
        ("back_codecs", recipe.back_codecs, rest.returned, "has returned"),
    ):
        names = {name for cut in cuts for name in crosses(cut)}
        if strange := [name for name in codecs if name not in names]:
            raise FileFormatError(
                f"plan: '{field}' names {strange[0][:80]!r}, which no cut of this plan {verb}"
            )
    if lossy := [name for name in recipe.back_codecs.values() if is_lossy(name)]:
        raise FileFormatError(f"plan: results return as they are, not by '{lossy[0][:80]}'")


def check_recipe(recipe: Recipe, graph: ModelGraph) -> None:
    """Raise unless a recipe can be carried out on a model.

    Raises:
        FileFormatError: another model, or numbers that do not fit.
    """
    if recipe.model.sha256 != graph.sha256:
        raise FileFormatError(
            f"the plan is for model '{one_line(recipe.model.name, 80)}' "
            f"({one_line(recipe.model.sha256, 12)}), not for '{graph.name}' "
            f"({graph.sha256[:12]}); plan this model"
        )
    form, taken = recipe.input.dtype, graph.input
    if form != taken.dtype and not (form == "uint8" and taken.is_float):
        raise FileFormatError(
            f"the plan sends {form}, but '{graph.name}' takes {taken.dtype}; "
            f"plan again for this input"
        )
    if recipe.forwards:
        _check_forwarding(recipe, graph)
    paths, start, tau = recipe.paths, recipe.start, recipe.tau
    if start not in graph.starts:
        known = ", ".join(map(str, graph.starts))
        raise FileFormatError(
            f"plan: 'start' is {start}, but sections of '{graph.name}' begin behind layers {known}"
        )
    if not (start < tau <= graph.depth and paths <= MAX_PATHS):
        raise FileFormatError(
            f"plan: tau={tau} and grid {recipe.grid} do not fit a network "
            f"of {number_of(graph.depth, 'layer')} (at most {MAX_PATHS} paths)"
        )
    if sorted(recipe.order) != list(range(1, paths + 1)):
        raise FileFormatError(f"plan: 'order' must list each of the {paths} paths once")
    if len(recipe.cuts) != paths or not all(start < cut <= tau + 1 for cut in recipe.cuts):
        raise FileFormatError(
            f"plan: 'cuts' must give each of the {paths} paths a layer from {start + 1} to "
            f"{tau + 1}"
        )
    rest = recipe.rest.divided(graph.behind(start))
    _check_codecs(recipe, rest)
    try:
        laid = layout(rest, recipe.rest.arrangement)
    except FusepathError as error:
        raise FileFormatError(f"plan: {str(error)[:_MOST_WORDS]}") from error
    if recipe.tail is TailPlace.DEVICE and not laid.returns_parts:
        raise FileFormatError(
            "plan: the unsplit network leaves no tail to the device; give 'tail' as edge"
        )
    if wrong := recipe.arrangement.objection(recipe.order, recipe.cuts):
        raise FileFormatError(f"plan: {wrong}")
