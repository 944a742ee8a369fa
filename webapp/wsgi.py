import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django.setup(set_prefix=False)

from webapp.bad_requests import Application  # noqa: E402  it wants Django set up

application = Application()
