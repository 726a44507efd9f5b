# SPDX-License-Identifier: Apache-2.0
"""Every action that went to an arm that takes increments, by episode, as it was on the wire."""

from __future__ import annotations

from collections.abc import Mapping

from rclpy.node import Node
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from onestep_vla_ros.nodes.action_output import TOPIC
from onestep_vla_ros.nodes.messages import to_seconds
from onestep_vla_ros.nodes.qos import EVERY
from onestep_vla_ros.nodes.trace import ExchangeTrace

_EPS_S = 1e-6


class ActionTap:
    """Hears actions and exchanges; their stamps tell which episode they belong to.

    Args:
        node: Has the subscriptions.
    """

    def __init__(self, node: Node) -> None:
        self._actions: dict[float, list[float]] = {}
        self._exchanges: dict[float, ExchangeTrace] = {}
        self._seeds: dict[int, tuple[int, float]] = {}
        node.create_subscription(JointTrajectory, TOPIC, self._on_action, EVERY)
        node.create_subscription(Float64MultiArray, "sim/trace", self._on_exchange, EVERY)

    def on_sim(self, state: Mapping[str, str]) -> None:
        """Take a sim/state: which episode runs, and since when."""
        began_s = float(state["now_s"]) - float(state["since_reset_s"])
        self._seeds[int(state["episode"])] = int(state["seed"]), began_s

    def episodes(self) -> list[dict[str, object]]:
        """Return of each episode its seed, actions (N, J) and exchanges, in order of time.

        An exchange is `chunk_s`, `steps_s` [s] and `steps`, see `ExchangeTrace`. Actions that the
        arm got after the episode was over are among them.
        """
        found: list[dict[str, object]] = []
        for number, (seed, began_s) in sorted(self._seeds.items()):
            if number == 0:  # before the first reset
                continue
            _, ended_s = self._seeds.get(number + 1, (0, float("inf")))
            within = (began_s - _EPS_S, ended_s - _EPS_S)
            exchanges = [self._exchanges[s] for s in _inside(self._exchanges, within)]
            found.append(
                {
                    "seed": seed,
                    "actions": [self._actions[s] for s in _inside(self._actions, within)],
                    "exchanges": [[e.chunk_s, e.steps_s, e.steps] for e in exchanges],
                }
            )
        return found

    def _on_action(self, message: JointTrajectory) -> None:
        self._actions[to_seconds(message.header.stamp)] = list(message.points[0].positions)

    def _on_exchange(self, message: Float64MultiArray) -> None:
        exchange = ExchangeTrace.from_message(message)
        if exchange is not None:
            self._exchanges[exchange.stamp_s] = exchange


def _inside(stamped: Mapping[float, object], within: tuple[float, float]) -> list[float]:
    return sorted(stamp_s for stamp_s in stamped if within[0] <= stamp_s < within[1])
