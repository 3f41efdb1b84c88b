"""Django's admin in one file: `python3 django_site.py migrate`, or the WSGI application `application`. Its database is
site.db in the working folder."""
import os
import sys

import django
from django.conf import settings
from django.contrib import admin
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.urls import path

settings.configure(
    SECRET_KEY="for this test",
    ALLOWED_HOSTS=["django.example.com"],
    ROOT_URLCONF=__name__,
    STATIC_URL="/static/",
    INSTALLED_APPS=[f"django.contrib.{name}"
                    for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")],
    MIDDLEWARE=[f"django.{name}Middleware"
                for name in ("middleware.security.Security", "contrib.sessions.middleware.Session",
                             "middleware.common.Common", "middleware.csrf.CsrfView",
                             "contrib.auth.middleware.Authentication", "contrib.messages.middleware.Message")],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
                "OPTIONS": {"context_processors": [f"django.{name}" for name in (
                    "template.context_processors.request", "contrib.auth.context_processors.auth",
                    "contrib.messages.context_processors.messages")]}}],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.abspath("site.db")}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    LOGGING={"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}},
             "loggers": {"django": {"handlers": ["console"]}}},
    # What a site behind a proxy that speaks TLS is told to set.
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    SECURE_SSL_REDIRECT=True,
    SESSION_COOKIE_SECURE=True,
    CSRF_COOKIE_SECURE=True)
django.setup()
urlpatterns = [path("admin/", admin.site.urls)]
application = StaticFilesHandler(get_wsgi_application())

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
