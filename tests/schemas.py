"""The part of JSON Schema that schemas of fusepath use, checked by code of its own."""

from __future__ import annotations

from typing import Any

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_KNOWN = {"$schema", "$defs", "$ref", "title", "description", "default", "discriminator"}
_KNOWN |= {"type", "enum", "anyOf", "minItems", "maxItems", "items", "prefixItems"}
_KNOWN |= {"properties", "required", "additionalProperties"}


def violations(
    value: Any, schema: dict[str, Any], root: dict[str, Any], where: str = "$"
) -> list[str]:
    """What a value does that its schema does not allow; raises on a keyword that is not known."""
    assert schema.keys() <= _KNOWN, schema.keys() - _KNOWN
    if "$ref" in schema:
        own = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return violations(value, own, root, where)
    if "anyOf" in schema:
        tried = [violations(value, item, root, where) for item in schema["anyOf"]]
        return min(tried, key=len)
    found = []
    wanted = schema.get("type")
    if wanted is not None:
        fits = isinstance(value, _TYPES[wanted])
        if isinstance(value, bool) and wanted != "boolean":
            fits = False
        if not fits:
            return [f"{where}: {value!r} is no {wanted}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        found += _of_object(value, schema, root, where)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", {})
        for place, item in enumerate(value):
            own = first[place] if place < len(first) else rest
            if own is False:
                found.append(f"{where}: too many items")
                break
            found += violations(item, own, root, f"{where}[{place}]")
        if len(value) < schema.get("minItems", 0):
            found.append(f"{where}: too few items")
    return found


def _of_object(
    value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], where: str
) -> list[str]:
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [
        f"{where}: '{key}' is missing" for key in schema.get("required", ()) if key not in value
    ]
    for key, item in value.items():
        if key in properties:
            found += violations(item, properties[key], root, f"{where}.{key}")
        elif more is False:
            found.append(f"{where}: '{key}' is not known")
        elif isinstance(more, dict):
            found += violations(item, more, root, f"{where}.{key}")
    return found
