# SPDX-License-Identifier: Apache-2.0
"""What httpd loads: it makes the package importable and names its application."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from guestbook import app as application  # noqa: E402
