# SPDX-License-Identifier: Apache-2.0
"""Evaluations and studies: many cells and runs, their tables, pictures and films."""
