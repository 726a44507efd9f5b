# SPDX-License-Identifier: Apache-2.0
"""One parameter: its unit, range and meaning; reading a mapping of them; their table."""

from __future__ import annotations

import difflib
import math
import types
import typing
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, TypeVar

import numpy as np

from onestep_vla_ros.core.errors import ConfigError, raise_all

C = TypeVar("C")


def param(
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    length: int | None = None,
) -> Any:  # noqa: ANN401 - a dataclass field stands for a value of any type
    """Return a dataclass field that carries what a parameter is.

    Args:
        doc: What it does, one sentence, with a typical value where that helps.
        unit: Unit of the value, "" for none.
        low: Smallest allowed number (of each entry, for a list).
        high: Largest allowed number (of each entry, for a list).
        choices: Allowed strings; () or None allows any.
        length: Exact number of entries of a list.
    """
    return field(
        metadata=types.MappingProxyType(
            {
                "doc": doc,
                "unit": unit,
                "low": low,
                "high": high,
                "choices": choices,
                "length": length,
            }
        )
    )


def from_mapping(kind: type[C], mapping: Mapping[str, object], where: str | None = None) -> C:
    """Return the `kind` that `mapping` describes, or refuse it with every fault at once.

    Args:
        kind: A configuration dataclass of `onestep_vla_ros.core.config`.
        mapping: Parameter name to value, as YAML or ROS gives them.
        where: What was read, for the message; default the class's name.

    Raises:
        ConfigError: Unknown or missing keys, wrong types or lengths, NaN, values out of
            range or choices, values that contradict each other.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    faults = [
        f"{name}: unknown parameter; nearest: {', '.join(_nearest(name, known))}"
        for name in mapping
        if name not in known
    ]
    values: dict[str, Any] = {}
    for name, spec in known.items():
        if name not in mapping:
            faults.append(f"{name}: missing; allowed: {describe_range(spec)}")
            continue
        value, fault = _read(hints[name], spec, mapping[name])
        if fault:
            faults.append(f"{name}: {fault}")
        else:
            values[name] = value
    contradictions = getattr(kind, "contradictions", None)
    if contradictions is not None:
        faults += contradictions(values)
    raise_all(ConfigError, where or kind.__name__, faults, "edit the parameters named above")
    return kind(**values)


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.0)


def _read(hint: Any, spec: Field[Any], value: object) -> tuple[Any, str]:  # noqa: ANN401
    """Return (value in the declared type, "") or (None, what is wrong)."""
    if typing.get_origin(hint) is not tuple:
        return _read_one(hint, spec, value)
    if isinstance(value, (np.ndarray, array)):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return None, f"got: {value!r}; allowed: a list of {describe_range(spec)}"
    length = spec.metadata["length"]
    if length is not None and len(value) != length:
        return None, f"got: {len(value)} entries; allowed: {length}"
    entries = [_read_one(typing.get_args(hint)[0], spec, entry) for entry in value]
    wrong = [f"[{i}] {fault}" for i, (_, fault) in enumerate(entries) if fault]
    if wrong:
        return None, ", ".join(wrong)
    return tuple(entry for entry, _ in entries), ""


def _read_one(hint: type, spec: Field[Any], value: object) -> tuple[Any, str]:
    allowed = describe_range(spec)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        return None, f"got: {value!r} ({type(value).__name__}); allowed: {hint.__name__} {allowed}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = spec.metadata["low"], spec.metadata["high"]
        is_low = low is not None and value < low
        if not math.isfinite(value) or is_low or (high is not None and value > high):
            return None, f"got: {value!r}; allowed: {allowed}"
    choices = spec.metadata["choices"]
    if choices and value not in choices:
        return None, f"got: {value!r}; allowed: {allowed}"
    return value, ""


def describe_range(spec: Field[Any]) -> str:
    """Return the allowed values of a field in words, for example "0.001 to 0.1 s"."""
    meta = spec.metadata
    if meta["choices"]:
        return " | ".join(meta["choices"])
    low, high, unit = meta["low"], meta["high"], meta["unit"]
    if low is None and high is None:
        text = "any"
    elif high is None:
        text = f">= {low:g}"
    elif low is None:
        text = f"<= {high:g}"
    else:
        text = f"{low:g} to {high:g}"
    return f"{text} {unit}".strip()


def markdown_table(kind: type[Any], values: Mapping[str, object] | None = None) -> str:
    """Return the parameters of `kind` as a Markdown table, with `values` where given.

    Args:
        kind: A configuration dataclass.
        values: The shipped values (from config/*.yaml) to show in their own column.
    """
    hints = typing.get_type_hints(kind)
    rows = ["| parameter | type | allowed | value | meaning |", "|---|---|---|---|---|"]
    for spec in fields(kind):
        hint = hints[spec.name]
        is_list = typing.get_origin(hint) is tuple
        name = f"list of {typing.get_args(hint)[0].__name__}" if is_list else hint.__name__
        if spec.metadata["length"] is not None:
            name += f", {spec.metadata['length']}"
        shown = "" if values is None else _show(values.get(spec.name, MISSING))
        allowed = describe_range(spec).replace("|", "\\|")
        rows.append(f"| `{spec.name}` | {name} | {allowed} | {shown} | {spec.metadata['doc']} |")
    return "\n".join(rows) + "\n"


def _show(value: object) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, (list, tuple)):
        distinct = list(dict.fromkeys(value))
        return f"`{distinct[0]!r}` each" if len(distinct) == 1 else f"`{list(value)!r}`"
    return f"`{value!r}`"
