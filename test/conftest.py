# SPDX-License-Identifier: Apache-2.0
"""Every test session has a ROS domain of its own, on this machine only, and cleans up.

Hypothesis draws the same examples each time and no example has a deadline: how long one takes
says more about the machine than about us. `--hypothesis-profile nightly` looks for new ones.
"""

from __future__ import annotations

import contextlib
import os

from hypothesis import HealthCheck, settings

from onestep_vla_ros.transport import (
    clean_shared_memory,
    environment,
    free_domain,
    share_no_memory,
)

_SESSION = contextlib.ExitStack()

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


def pytest_configure(config):
    """Before anything imports rclpy: domain, discovery range and Fast DDS profile."""
    clean_shared_memory()
    os.environ.update(environment())
    share_no_memory()  # what a killed child leaves there would take the whole session with it
    os.environ["ROS_DOMAIN_ID"] = str(_SESSION.enter_context(free_domain()))
    os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"


def pytest_unconfigure(config):
    """Give the domain back and remove what dead processes left."""
    _SESSION.close()
    clean_shared_memory()
