# SPDX-License-Identifier: Apache-2.0
"""The whole graph under faults for long: is it sound, does it grow?"""
