# SPDX-License-Identifier: Apache-2.0
"""How long hypothesis searches with `--hypothesis-profile nightly`, and for what: new examples.

`pytest test/properties --hypothesis-profile nightly` runs 50 000 examples of 200 steps.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "nightly",
    max_examples=50_000,
    stateful_step_count=200,
    deadline=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
)
