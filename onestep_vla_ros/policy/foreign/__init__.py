# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of other projects, read and written anew as ours."""
