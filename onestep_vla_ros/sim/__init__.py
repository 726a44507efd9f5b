# SPDX-License-Identifier: Apache-2.0
"""Simulated worlds behind one protocol; never imports rclpy."""
