# SPDX-License-Identifier: Apache-2.0
import platform
import resource
import subprocess
import sys

import pytest

_SCRIPT = """
import resource, numpy as np
from onestep_vla_ros.train.memory import keep_pages
def faults():
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(1 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first
np.ones(1 << 20)
assert keep_pages()
faults()
print(faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of another C library")
def test_memory_that_comes_back_is_faulted_in_once():
    pages = (8 << 20) // resource.getpagesize()  # of one array; twenty come and go
    found = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True)
    assert int(found.stdout) < pages / 4, found.stderr
