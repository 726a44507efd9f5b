# SPDX-License-Identifier: Apache-2.0
"""Opens the environment of one of LIBERO's tasks, without the package's own renderer."""

from __future__ import annotations

import contextlib
import io
import os
from typing import Any

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.sim.libero_package import module
from onestep_vla_ros.sim.libero_plus import DOWNLOAD
from onestep_vla_ros.sim.libero_suites import LiberoTask, check_backend


def open_environment(task: LiberoTask) -> Any:  # noqa: ANN401 - of a package without types
    """Return the package's environment without its renderer, whose contexts do not bear company.

    Raises:
        ConfigError: The extra is missing, or it can render with no OpenGL here.
    """
    os.environ["MUJOCO_GL"] = check_backend()
    try:
        environments = module(f"{task.package}.envs.env_wrapper")
        with contextlib.redirect_stdout(io.StringIO()):
            return environments.ControlEnv(
                bddl_file_name=str(task.bddl), use_camera_obs=False, has_offscreen_renderer=False
            )
    except (FileNotFoundError, ValueError) as error:
        if isinstance(error, ValueError) and "No such file" not in str(error):
            raise
        raise ConfigError(
            f"{task.suite}, task {task.index} lacks a mesh or a texture", got=error, do=DOWNLOAD
        ) from None
    except (ImportError, RuntimeError, AttributeError) as error:
        raise ConfigError(
            "LIBERO cannot render", got=error, do="install packages.apt, or MUJOCO_GL=osmesa"
        ) from None
