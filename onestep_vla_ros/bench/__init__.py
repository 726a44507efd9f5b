# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: speed and bounds measured beside an alternative, in one run."""
