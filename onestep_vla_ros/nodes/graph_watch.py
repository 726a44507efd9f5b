# SPDX-License-Identifier: Apache-2.0
"""The watch over the graph: one writer a topic, and controllers whose parameters are safe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rclpy.node import Node

from onestep_vla_ros.nodes.action_output import ActionOutputs
from onestep_vla_ros.nodes.controller_reader import ControllerReader
from onestep_vla_ros.nodes.outputs import Outputs, TrajectoryOutput

POLL_S = 0.2
"""How often to look [s]; a second writer must be found within 1 s."""

Report = Callable[[str, str], None]
"""Takes what it is about, and words, or "" when nothing is wrong any more."""


class GraphWatch:
    """Looks for a second publisher of chunks and commands, and at the real controllers.

    A look costs some 5 us a topic, so it may run in the control tick's thread. A process that
    was killed stays in the graph until its lease ends (2 s by config/fastdds.xml).

    Args:
        node: Its view of the graph is taken.
        outputs: Where commands go.
        report: Called on every change.
    """

    def __init__(self, node: Node, outputs: Outputs | ActionOutputs, report: Report) -> None:
        self._node, self._report = node, report
        self._has_output = False
        topics = ["action_chunk", *(output.topic for output in outputs.by_name.values())]
        self._counts = {node.resolve_topic_name(topic): (topic, 1) for topic in topics}
        self._words: dict[str, str] = {}
        self._readers = []
        for name, output in outputs.by_name.items():
            if isinstance(outputs, Outputs) and isinstance(output, TrajectoryOutput):
                controller = node.resolve_topic_name(output.topic).rpartition("/")[0]
                told = partial(self._on_controller, output.topic.rpartition("/")[0])
                reader = ControllerReader(
                    node, controller, outputs.units.names[name], outputs.grippers, told
                )
                self._readers.append(reader)

    def look(self, has_output: bool) -> None:
        """Count the publishers of every topic; ask controllers what has to be asked.

        Args:
            has_output: Are the arms enabled? Then controllers judged before are not asked again.
        """
        self._has_output = has_output
        for resolved, (topic, before) in self._counts.items():
            count = self._node.count_publishers(resolved)
            if count != before:
                self._counts[resolved] = (topic, count)
                self._tell(topic, self._crowd(resolved, count) if count > 1 else "")
        for reader in self._readers:
            reader.look(may_ask_again=not has_output)

    def _on_controller(self, controller: str, words: str, is_verdict: bool) -> None:
        if is_verdict or not self._has_output:
            self._tell(controller, words)

    def _tell(self, name: str, words: str) -> None:
        if self._words.get(name, "") != words:
            self._words[name] = words
            self._report(name, words)

    def _crowd(self, resolved: str, count: int) -> str:
        found = self._node.get_publishers_info_by_topic(resolved)
        names = sorted(f"{i.node_namespace.rstrip('/')}/{i.node_name}" for i in found)
        return f"{count} publishers where only one may write: {', '.join(names)}"
