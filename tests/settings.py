"""The site's own settings over a temporary DATA_DIR, so that a test run touches nothing of an installation."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from tests.once import SHARED, shared

for name in ("ALLOWED_HOSTS", "HTTPS", "DEBUG", "ENGINE", "STORAGE_URL", "SECRET_KEY", "LOG_FORMAT", "METRICS_TOKEN"):
    os.environ.pop(name, None)
for name in ("TRUSTED_PROXIES", "RATE_ANSWERS", "RATE_UPLOADS", "RATE_LOGINS"):
    os.environ.pop(name, None)

if "DISCERN_TESTS" not in os.environ:  # a process that a test starts shares the folder
    os.environ["DISCERN_TESTS"] = os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="discern-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)
os.environ.setdefault(SHARED, os.environ["DISCERN_TESTS"])

from webapp.settings import *  # noqa: E402, F403

STATIC_ROOT = shared("static")
WHITENOISE_AUTOREFRESH = True  # else each new client begins by reading the folder
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A database of this test run's own; SQLite's in a file, so that the processes a test starts see the same rows.
OWN = Path(os.environ["DISCERN_TESTS"]).name.replace("-", "_")
IS_SQLITE = DATABASES["default"]["ENGINE"].endswith("sqlite3")  # noqa: F405
DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3" if IS_SQLITE else OWN}  # noqa: F405
