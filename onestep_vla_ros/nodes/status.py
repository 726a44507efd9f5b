# SPDX-License-Identifier: Apache-2.0
"""Diagnostic status messages: keys and values of a node, out and in."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def make_status(
    name: str, level: bytes, message: str, values: Mapping[str, object]
) -> DiagnosticStatus:
    """Return a status; numbers are written so that `read_status` reads them back."""
    return DiagnosticStatus(
        level=level,
        name=name,
        message=message,
        hardware_id="onestep_vla_ros",
        values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
    )


def read_status(status: DiagnosticStatus) -> dict[str, str]:
    """Return a status's values by key."""
    return {pair.key: pair.value for pair in status.values}


def _text(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)
