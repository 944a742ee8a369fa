"""Django's settings. What the owner of an installation may choose comes from webapp/environment.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF
from django.conf import global_settings

from training.limits import MAX_FILES
from webapp.environment import BASE_DIR, Environment, s3_options
from webapp.operations.embedded_redis import socket_url
from webapp.operations.logs import logging_config

ENVIRONMENT = Environment.read()

# --- where things are
DATA_DIR: Path = ENVIRONMENT.data_dir
DATABASES = {"default": ENVIRONMENT.database}
REDIS_URL = ENVIRONMENT.redis_url or socket_url(DATA_DIR)
STORAGE_URL = ENVIRONMENT.storage_url
MEDIA_ROOT = DATA_DIR / "files"  # pictures, H5 files and serving models; never served as they lie there
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": (
        {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": s3_options(STORAGE_URL)}
        if STORAGE_URL
        else {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    ),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- the application
SECRET_KEY = ENVIRONMENT.secret_key
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ENVIRONMENT.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENVIRONMENT.trusted_origins
TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
TRUSTS_UNIX_SOCKET = ENVIRONMENT.trusts_unix_socket
RATE_ANSWERS = ENVIRONMENT.rate_answers
RATE_UPLOADS = ENVIRONMENT.rate_uploads
RATE_LOGINS = ENVIRONMENT.rate_logins
MIN_FREE_DISK = ENVIRONMENT.min_free_disk
ENGINE = ENVIRONMENT.engine
METRICS_TOKEN = ENVIRONMENT.metrics_token
KEEP_PREDICTIONS_DAYS = ENVIRONMENT.keep_predictions_days
ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
INSTALLED_APPS = [
    "webapp",
    "classifier",
    "training",
    "ninja",
    "axes",
    "csp",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "webapp.trusted_proxies.TrustedProxies",  # what follows asks for the address and the scheme
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "webapp.headers.SameOrigin",
    "csp.middleware.CSPMiddleware",
    "webapp.bad_requests.ApiErrors",
    "webapp.bad_requests.Legible",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webapp.headers.NotKept",
    "webapp.floods.Floods",
    "webapp.middleware.DatabaseAway",
    "webapp.full_disk.FullDisk",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "webapp.front.refused_body.RefusedBody",
    "webapp.rates.Refusals",
    "webapp.gone.Gone",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- languages and clock
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "webapp" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = ENVIRONMENT.time_zone

# --- who may come in
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "home"
AUTHENTICATION_BACKENDS = [
    "webapp.logins.PasswordBackend",  # checks every password; nothing falls through to the next
    "django.contrib.auth.backends.ModelBackend",  # of sessions that began before there was the first
]
PASSWORD_HASHERS = ["webapp.hashing.BoundedPBKDF2PasswordHasher", *global_settings.PASSWORD_HASHERS[1:]]  # for Django's
AUTH_PASSWORD_VALIDATORS = [
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in (
            "UserAttributeSimilarityValidator",
            "MinimumLengthValidator",
            "CommonPasswordValidator",
            "NumericPasswordValidator",
        )
    ),
    {"NAME": "webapp.first_password.AnotherPassword"},
]
AXES_LOCK_OUT_AT_FAILURE = False  # it keeps the records; webapp/logins.py says who has to wait
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# --- what a browser may do with our pages
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "blob:", "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# All that the site does not use; <input capture> asks for no permission of the page. Chromium knows these
# names; it warns of any other on every page.
UNUSED_FEATURES = """
    accelerometer autoplay bluetooth browsing-topics camera clipboard-read compute-pressure display-capture
    encrypted-media fullscreen gamepad geolocation gyroscope hid identity-credentials-get idle-detection keyboard-map
    local-fonts magnetometer microphone midi otp-credentials payment picture-in-picture publickey-credentials-create
    publickey-credentials-get screen-wake-lock serial storage-access sync-xhr usb window-management xr-spatial-tracking
"""
PERMISSIONS_POLICY: dict[str, list[str]] = {name: [] for name in UNUSED_FEATURES.split()}
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = 31_536_000 if ENVIRONMENT.https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENVIRONMENT.https
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]  # asked from inside, past the proxy
# Where proxies are named, webapp/trusted_proxies.py sets the scheme. An installation that names none believes the
# header from anybody, as it always has: otherwise its proxy would be redirected to itself for ever.
names_no_proxy = not (TRUSTED_PROXIES or TRUSTS_UNIX_SOCKET)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENVIRONMENT.https and names_no_proxy else None

# --- uploads: training/limits.py says what a single one may be
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_PERMISSIONS, FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o600, 0o700  # Django's own defaults let others read
DATA_UPLOAD_MAX_NUMBER_FILES = MAX_FILES

# --- long work. The rows are the truth, so a result is never kept and an answer never waited for.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_ROUTES = {"training.train_run": {"queue": "train"}, "training.carry_out_job": {"queue": "jobs"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker may be away for a night
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # also one that is still loading what it had kept
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 2,
    "socket_connect_timeout": 1,
    "max_retries": 1,
    "visibility_timeout": 60,
}
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "reconcile": {"task": "training.reconcile", "schedule": 30, "options": {"expires": 30}},
    "clean up": {"task": "webapp.clean_up", "schedule": crontab(minute="23"), "options": {"expires": 3600}},
}
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps nothing on disk that a kill could break or a second beat need

LOGGING = logging_config(ENVIRONMENT.log_format)
if ENVIRONMENT.log_format == "json":
    LOGGING_CONFIG = "webapp.operations.logs.configure_json"
