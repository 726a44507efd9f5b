# SPDX-License-Identifier: Apache-2.0
"""Reads the parameters of a real joint_trajectory_controller and has them judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rcl_interfaces.srv import GetParameters, ListParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.task import Future

from onestep_vla_ros.core.controller_audit import audit_controller, audited_names

_PATIENCE_S = 2.0
_AGAIN_S = 5.0


class ControllerReader:
    """Asks one controller node what its parameters are, whenever it appears and now and then.

    Thread: all calls come from the executor's thread; nothing waits.
    Time: the steady clock, given as `now_s`.

    Args:
        node: Who asks.
        controller: Full name of the controller's node.
        joints: What we send it, by the names on the wire.
        grippers: Those of them that need no tolerance.
        report: Called with words, "" when nothing is wrong, and whether they are a verdict:
            false while the controller has yet to tell its parameters. A controller that nobody
            runs is not reported.
    """

    def __init__(
        self,
        node: Node,
        controller: str,
        joints: Sequence[str],
        grippers: Sequence[str],
        report: Callable[[str, bool], None],
    ) -> None:
        self._controller, self._joints, self._grippers = controller, list(joints), list(grippers)
        self._report = report
        self._list = node.create_client(ListParameters, f"{controller}/list_parameters")
        self._get = node.create_client(GetParameters, f"{controller}/get_parameters")
        self._asked_s: float | None = None
        self._is_judged = False
        self._asked: tuple[Any, Future] | None = None

    def look(self, may_ask_again: bool) -> None:
        """Ask when the controller has appeared, did not answer, or its answer has grown old.

        Args:
            may_ask_again: Is now a time to repeat what was judged before? Reading some hundred
                parameters costs the thread about a millisecond.
        """
        if not (self._list.service_is_ready() and self._get.service_is_ready()):
            if self._asked_s is not None:
                self._asked_s, self._is_judged = None, False
                self._report("", True)
            return
        now_s = time.monotonic()
        if self._asked_s is not None:
            is_over = now_s - self._asked_s > (_AGAIN_S if self._is_judged else _PATIENCE_S)
            if not is_over or (self._is_judged and not may_ask_again):
                return
        if not self._is_judged:
            self._report(f"{self._controller} has not told its parameters yet; try again", False)
        self._asked_s = now_s
        if self._asked is not None:
            client, unanswered = self._asked
            client.remove_pending_request(unanswered)
        self._ask(self._list, ListParameters.Request(), self._on_names)

    def _ask(self, client: Any, request: object, then: Callable[[Any], None]) -> None:  # noqa: ANN401
        future = client.call_async(request)
        self._asked = (client, future)
        future.add_done_callback(lambda done: then(done.result()))

    def _on_names(self, answer: ListParameters.Response | None) -> None:
        if answer is None:
            return
        there = set(answer.result.names)
        names = [name for name in audited_names(self._joints) if name in there]
        self._ask(self._get, GetParameters.Request(names=names), partial(self._on_values, names))

    def _on_values(self, names: Sequence[str], answer: GetParameters.Response | None) -> None:
        if answer is None or len(answer.values) != len(names):
            return
        given = zip(names, map(parameter_value_to_python, answer.values), strict=True)
        faults = audit_controller(dict(given), self._joints, self._grippers)
        self._is_judged = True
        words = f"{self._controller} is unsafe: {'; '.join(faults)}" if faults else ""
        self._report(words, True)
