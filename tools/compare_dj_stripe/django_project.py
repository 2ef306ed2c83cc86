"""A Django project with dj-stripe and nothing else, at the same path as our receiver; run: creates its tables.

It runs in the environment of `requirements.txt`. What it needs to know is in the variables that it reads.
"""

import os
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path

URL = urlsplit(os.environ["COMPARED_DATABASE_URL"])
ENDPOINT = "00000000-0000-4000-8000-000000000000"

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": URL.hostname,
            "PORT": URL.port,
            "USER": URL.username,
            "PASSWORD": URL.password,
            "NAME": URL.path[1:],
            "CONN_MAX_AGE": None,  # as a site that cares for speed has it; by default each request connects
        }
    },
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    # It tells the length of a response, which is what keeps a connection open.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    # The same tables, made of the models: a second instead of a minute and a half.
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "djstripe": None},
    ROOT_URLCONF=__name__,
    SECRET_KEY="compared",  # noqa: S106 it signs nothing
    STRIPE_API_HOST=os.environ["COMPARED_STRIPE_URL"],
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY="sk_test_" + 24 * "0",
    USE_TZ=True,
)
django.setup()

from djstripe.models import WebhookEndpoint  # noqa: E402 models need the settings
from djstripe.views import ProcessWebhookView  # noqa: E402 likewise

urlpatterns = [path("webhooks/stripe", ProcessWebhookView.as_view(), {"uuid": ENDPOINT})]
application = get_wsgi_application()

if __name__ == "__main__":
    call_command("migrate", run_syncdb=True, verbosity=0)
    WebhookEndpoint.objects.create(
        id="we_compared",
        djstripe_uuid=ENDPOINT,
        enabled_events=["*"],
        livemode=False,
        secret=os.environ["COMPARED_WEBHOOK_SECRET"],
        status="enabled",
        url="http://localhost/webhooks/stripe",
    )
