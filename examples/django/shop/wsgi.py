# SPDX-License-Identifier: Apache-2.0
"""What httpd loads. A real project runs its migrations when it is deployed, not here."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()

from shop import data  # noqa: E402

data.prepare_database()
