# SPDX-License-Identifier: Apache-2.0
"""Everything native in one process, used once: `python -m onestep_vla_ros.nodes.abi_probe`."""

from __future__ import annotations

import sys
from importlib import metadata

import numpy as np
import rclpy.serialization
import torch
from sensor_msgs.msg import JointState


def main() -> int:
    """Carry numbers torch -> numpy -> message -> bytes and back; 0 when they are the same."""
    q = torch.arange(14, dtype=torch.float64).numpy()
    sent = rclpy.serialization.serialize_message(JointState(position=q))
    back = rclpy.serialization.deserialize_message(sent, JointState)
    same = np.array_equal(q, np.asarray(back.position))
    print(
        f"numpy {np.__version__}, torch {torch.__version__}, rclpy {metadata.version('rclpy')} "
        + ("agree in one process" if same else f"disagree: sent {q}, got {back.position}")
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
