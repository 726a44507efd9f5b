# SPDX-License-Identifier: Apache-2.0
"""The operator's services: bridge/enable, bridge/stop, bridge/reset, answered truthfully."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from onestep_vla_ros.core.bridge import Bridge
from onestep_vla_ros.core.verdict import Accepted, Verdict
from onestep_vla_ros.nodes.late_answer import LateTrigger

_PATIENCE_S = 2.0
"""A caller of bridge/stop is answered after this long whatever has come of it [s of wall time]."""


class OperatorServices:
    """Serves the operator around one Bridge.

    Thread: everything runs in the executor's single thread.

    Args:
        node: Where the services live.
        bridge: Who decides.
        now_s: The clock that deadlines run on [s].
        on_enable: Called when the arms have been enabled.
        rest_s: How long the command still needs to come to rest [s].
    """

    def __init__(
        self,
        node: Node,
        bridge: Bridge,
        now_s: Callable[[], float],
        on_enable: Callable[[], None],
        rest_s: Callable[[], float],
    ) -> None:
        self._bridge, self._now_s = bridge, now_s
        self._on_enabled, self._rest_s = on_enable, rest_s
        node.create_service(SetBool, "bridge/enable", self._on_enable)
        node.create_service(Trigger, "bridge/reset", self._on_reset)
        self._stop = LateTrigger(
            node, "bridge/stop", self._begin_stop, lambda: bridge.is_at_rest, self._tell_stop
        )

    def settle(self, patience_s: float = _PATIENCE_S) -> None:
        """Answer callers of bridge/stop once the command rests, or when they waited too long."""
        self._stop.settle(patience_s)

    def _begin_stop(self) -> tuple[bool, str]:
        self._bridge.stop(self._now_s())
        return self._tell_stop()

    def _tell_stop(self) -> tuple[bool, str]:
        if self._bridge.is_at_rest:
            return True, "stopped, at rest; call bridge/reset, then bridge/enable to move again"
        return False, (
            f"stopping, not at rest: {self._rest_s():.2f} s of control time are still needed; "
            "bridge/status tells how it goes"
        )

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        now_s, had_output = self._now_s(), self._bridge.has_output
        verdict = self._bridge.enable(now_s) if request.data else self._bridge.disable(now_s)
        if request.data and verdict.is_accepted and not had_output:
            self._on_enabled()
        response.success, response.message = verdict.is_accepted, in_words(verdict)
        return response

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        verdict = self._bridge.reset(self._now_s())
        response.success, response.message = verdict.is_accepted, in_words(verdict)
        return response


def in_words(verdict: Verdict) -> str:
    """Return what a verdict tells a person."""
    if isinstance(verdict, Accepted):
        return verdict.detail or "done"
    return f"{verdict.reason.value}: {verdict.detail}"
