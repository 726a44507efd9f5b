# SPDX-License-Identifier: Apache-2.0
"""ROS 2 nodes: they carry messages and decide nothing; the only place for rclpy."""
