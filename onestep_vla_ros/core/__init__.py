# SPDX-License-Identifier: Apache-2.0
"""Everything that decides: numpy only, no ROS, no torch, and time is always an argument."""
