# SPDX-License-Identifier: Apache-2.0
"""Where the package's own files (config, launch, urdf, resource) lie, however installed."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from onestep_vla_ros.core.errors import ConfigError

PACKAGE = "onestep_vla_ros"


def share_dir() -> Path:
    """Return the folder that holds config/, launch/, urdf/ and resource/.

    A checkout (and an editable install) is recognised by its package.xml beside the
    package; otherwise share/onestep_vla_ros of the prefix the package was installed to
    (pip and colcon both write it).

    Raises:
        ConfigError: Neither is there.
    """
    here = Path(__file__).resolve()
    candidates = [here.parents[1]]
    candidates += [parent / "share" / PACKAGE for parent in here.parents]
    candidates.append(Path(sys.prefix) / "share" / PACKAGE)
    for folder in candidates:
        if (folder / "package.xml").is_file() and (folder / "config").is_dir():
            return folder
    raise ConfigError(
        "the package's data files are missing",
        got=f"no package.xml beside config/ in {candidates[0]} or any share/{PACKAGE} above it",
        do="install with pip install . or colcon build; do not copy the python folder alone",
    )


def shipped_checkpoint() -> Path:
    """Return the folder of the checkpoint that comes with the package."""
    return share_dir() / "resource" / "nano"


def read_yaml(path: Path) -> dict[str, object]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: The file is missing, is not YAML or holds no mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"file {path} is missing", do="name an existing YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"file {path} is not YAML", got=str(error).replace("\n", " ")) from None
    if not isinstance(data, dict):
        raise ConfigError(
            f"file {path} holds no mapping", got=type(data).__name__, allowed="key: value"
        )
    return data


def read_parameters(name: str) -> dict[str, object]:
    """Return the parameters of `config/<name>`, a ROS parameter file with one `/**` entry.

    Raises:
        ConfigError: The file is missing or has another form.
    """
    path = share_dir() / "config" / name
    data = read_yaml(path)
    try:
        parameters = data["/**"]["ros__parameters"]  # type: ignore[index]
    except (KeyError, TypeError):
        parameters = None
    if not isinstance(parameters, dict):
        raise ConfigError(f"file {path} has the wrong form", allowed="/**: ros__parameters: {…}")
    return parameters
