# SPDX-License-Identifier: Apache-2.0
"""Demonstrations to checkpoint, checkpoint to success rate."""
