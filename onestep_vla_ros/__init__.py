# SPDX-License-Identifier: Apache-2.0
"""One-step vision-language-action policies for two real arms, on ROS 2."""
