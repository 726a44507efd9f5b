# SPDX-License-Identifier: Apache-2.0
"""From the parameter schema to declared ROS parameters, read-only and judged all at once."""

from __future__ import annotations

import typing
from array import array
from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node
from rclpy.parameter import Parameter

from onestep_vla_ros.core.parameter import describe_range, from_mapping

C = TypeVar("C")

_OWN = ("use_sim_time", "start_type_description_service")
_TYPES = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}
_LIST_TYPES = {
    bool: Parameter.Type.BOOL_ARRAY,
    int: Parameter.Type.INTEGER_ARRAY,
    float: Parameter.Type.DOUBLE_ARRAY,
    str: Parameter.Type.STRING_ARRAY,
}


def read_parameters(node: Node, kind: type[C]) -> C:
    """Declare every field of `kind` on `node` and return the values as that dataclass.

    A sound set is declared with description, range and read_only, so that introspection tells
    what each parameter is; nobody changes one, nor any other of the node, while it runs.

    Args:
        node: Built without `automatically_declare_parameters_from_overrides`.
        kind: A configuration dataclass of `onestep_vla_ros.core.config`.

    Raises:
        ConfigError: Unknown or missing names, wrong types, values out of range or NaN, values
            that contradict each other: every fault in one message.
    """
    given = _overrides(node)
    config = from_mapping(kind, given, where=f"parameters of node {node.get_name()!r}")
    hints = typing.get_type_hints(kind)
    for spec in fields(kind):  # type: ignore[arg-type]
        value = getattr(config, spec.name)
        node.declare_parameter(
            spec.name,
            list(value) if isinstance(value, tuple) else value,
            _descriptor(spec, hints[spec.name]),
            ignore_override=True,
        )
    node.add_on_set_parameters_callback(_refuse)
    return config


def _refuse(parameters: list[Parameter]) -> SetParametersResult:
    """Refuse what rclpy itself would let be set: `use_sim_time` stops a running node's clock."""
    names = ", ".join(parameter.name for parameter in parameters)
    return SetParametersResult(
        successful=False, reason=f"{names}: fixed while the node runs; edit the file, start anew"
    )


def _overrides(node: Node) -> Mapping[str, object]:
    """Return what files and command line gave this node, by name."""
    given: dict[str, object] = {}
    for name, parameter in node._parameter_overrides.items():  # noqa: SLF001 - no public way
        if name in _OWN or name.startswith("qos_overrides."):
            continue
        try:
            value = parameter.value
        except ParameterUninitializedException:
            value = None
        given[name] = value.tolist() if isinstance(value, array) else value
    return given


def _descriptor(spec: Field[Any], hint: Any) -> ParameterDescriptor:  # noqa: ANN401 - a type
    meta = spec.metadata
    is_list = typing.get_origin(hint) is tuple
    scalar = typing.get_args(hint)[0] if is_list else hint
    descriptor = ParameterDescriptor(
        name=spec.name,
        type=(_LIST_TYPES if is_list else _TYPES)[scalar].value,
        description=meta["doc"] + (f" [{meta['unit']}]" if meta["unit"] else ""),
        additional_constraints=describe_range(spec),
        read_only=True,
    )
    low, high = meta["low"], meta["high"]
    if low is not None and high is not None and not is_list:
        if scalar is int:
            descriptor.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=0)
            ]
        elif scalar is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
            ]
    return descriptor
