# SPDX-License-Identifier: Apache-2.0
"""The fault matrix: what is broken on purpose, what must happen, and how fast it did."""
