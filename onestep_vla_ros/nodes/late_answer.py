# SPDX-License-Identifier: Apache-2.0
"""A service that answers when the matter is settled, not when its callback returns.

`async def` callbacks would be the plain way, but rclpy 7.1.6's EventsExecutor does not await
them and its SingleThreadedExecutor spins on nothing else meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from std_srvs.srv import Trigger


class LateTrigger:
    """A Trigger service whose answers wait for `settle`.

    Thread: everything runs in the executor's single thread.

    Args:
        node: Where the service lives.
        name: The service's name.
        begin: Called for each request; returns the truthful answer of that moment.
        is_settled: May the waiting callers be answered?
        answer: Returns what they are told then.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        begin: Callable[[], tuple[bool, str]],
        is_settled: Callable[[], bool],
        answer: Callable[[], tuple[bool, str]],
    ) -> None:
        self._node = node
        self._begin, self._is_settled, self._answer = begin, is_settled, answer
        self._waiting: list[tuple[Trigger.Response, Any, float]] = []
        self._service = node.create_service(Trigger, name, self._on_request)
        self._send = self._service.send_response
        # the executors hand every answer to this method of the service, with the caller's address
        self._service.send_response = self._hold  # type: ignore[assignment, method-assign]

    def settle(self, patience_s: float = 0.0) -> None:
        """Answer the callers if it is settled, and those that waited over `patience_s` [s] wall.

        Who waited too long is told the answer of this moment, whatever it is.
        """
        if not self._waiting:
            return
        is_settled, wall_s = self._is_settled(), time.monotonic()
        waiting, self._waiting = self._waiting, []
        for response, address, since_s in waiting:
            if is_settled or wall_s - since_s > patience_s:
                response.success, response.message = self._answer()
                self._send(response, address)
            else:
                self._waiting.append((response, address, since_s))

    def _on_request(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = self._begin()
        return response

    def _hold(self, response: Trigger.Response, address: object) -> None:
        if self._is_settled():
            response.success, response.message = self._answer()
            self._send(response, address)
        else:
            self._waiting.append((response, address, time.monotonic()))
