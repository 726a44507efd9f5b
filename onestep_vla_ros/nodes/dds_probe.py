# SPDX-License-Identifier: Apache-2.0
"""Messages between two processes and back: `python -m onestep_vla_ros.nodes.dds_probe`.

The parent is the doctor: one process `echo`es, the other `ping`s it with texts and with images
that are larger than Fast DDS's default shared-memory segment, where they are lost silently.
"""

from __future__ import annotations

import array
import sys
import time

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import String

from onestep_vla_ros.nodes.qos import EVERY, SENSOR

ROUNDS = 30
"""Texts and images sent."""
_WAIT_S = 20.0
_IMAGE_S = 0.3
_HEIGHT, _WIDTH = 480, 640


def echo(node: Node) -> int:
    """Send every text and the size of every image back until the text `stop`."""
    answers = node.create_publisher(String, "onestep_probe/answer", EVERY)
    seen: list[str] = []

    def on_text(message: String) -> None:
        seen.append(message.data)
        answers.publish(message)

    def on_image(message: Image) -> None:
        answers.publish(String(data=f"image {len(message.data)}"))

    node.create_subscription(String, "onestep_probe/text", on_text, EVERY)
    node.create_subscription(Image, "onestep_probe/image", on_image, SENSOR)
    end = time.monotonic() + 3 * _WAIT_S
    while "stop" not in seen and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.1)
    return 0


def ping(node: Node) -> int:
    """Print what came back; 0 when texts and nine tenths of the images did."""
    answers: list[str] = []
    texts = node.create_publisher(String, "onestep_probe/text", EVERY)
    images = node.create_publisher(Image, "onestep_probe/image", SENSOR)

    def on_answer(message: String) -> None:
        answers.append(message.data)

    node.create_subscription(String, "onestep_probe/answer", on_answer, EVERY)
    start = time.monotonic()
    while not answers and time.monotonic() < start + _WAIT_S:
        texts.publish(String(data="hello"))
        rclpy.spin_once(node, timeout_sec=0.05)
    if not answers:
        print(f"no answer from the other process in {_WAIT_S:.0f} s")
        return 1
    met_s = time.monotonic() - start
    median_ms = _round_trips_ms(node, texts, answers)
    arrived = _send_images(node, images, answers)
    texts.publish(String(data="stop"))
    print(
        f"processes met in {met_s:.2f} s, round trip {median_ms:.2f} ms (median of {ROUNDS}), "
        f"{arrived} of {ROUNDS} images of {_WIDTH}x{_HEIGHT} arrived"
    )
    return 0 if arrived >= 0.9 * ROUNDS else 2


def _round_trips_ms(node: Node, texts: Publisher, answers: list[str]) -> float:
    took_ms = []
    for i in range(ROUNDS):
        sent = time.monotonic()
        texts.publish(String(data=f"text {i}"))
        while f"text {i}" not in answers and time.monotonic() < sent + 1.0:
            rclpy.spin_once(node, timeout_sec=0.1)
        took_ms.append(1e3 * (time.monotonic() - sent))
    return sorted(took_ms)[ROUNDS // 2]


def _send_images(node: Node, images: Publisher, answers: list[str]) -> int:
    pixels = array.array("B", bytes(3 * _HEIGHT * _WIDTH))
    message = Image(height=_HEIGHT, width=_WIDTH, encoding="rgb8", step=3 * _WIDTH, data=pixels)
    wanted = f"image {len(pixels)}"
    for _ in range(ROUNDS):
        before, end = answers.count(wanted), time.monotonic() + _IMAGE_S
        images.publish(message)
        while answers.count(wanted) == before and time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.05)
    return answers.count(wanted)


def main(arguments: list[str] | None = None) -> int:
    """Run `echo` or `ping`."""
    role = (sys.argv[1:] if arguments is None else arguments)[0]
    rclpy.init(args=[])
    node = Node(f"onestep_probe_{role}")
    try:
        return {"echo": echo, "ping": ping}[role](node)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
