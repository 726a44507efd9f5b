# SPDX-License-Identifier: Apache-2.0
"""Reads LIBERO-Plus's initial states: torch wrote them as pickles, of which only arrays are taken.

The package itself opens them with everything a pickle may do. This file alone may import pickle
(a test), and its unpickler knows no name but those that an array is made of.
"""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError


def read_states(path: Path) -> NDArray[np.float64]:
    """Return the array that a file of initial states holds, without torch, which wrote it.

    Raises:
        ConfigError: The file is missing or holds anything but an array of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            inner = next(n for n in archive.namelist() if n.endswith("data.pkl"))
            with archive.open(inner) as stream:
                found = _Arrays(stream).load()
    except (OSError, zipfile.BadZipFile, StopIteration, pickle.UnpicklingError) as error:
        raise ConfigError(f"initial states {path.name}", got=error) from None
    return np.asarray(found, dtype=np.float64)


class _Arrays(pickle.Unpickler):
    """Reads arrays of numbers and nothing else: a pickle may otherwise run anything."""

    _ALLOWED = (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    )

    def find_class(self, module_name: str, name: str) -> Any:  # noqa: ANN401 - as pickle's own
        if (module_name, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module_name}.{name} is no array")
        return super().find_class(module_name, name)
