"""The application: `celery -A payment_worker worker | beat | flower | inspect …`."""

from celery import Celery

from payment_worker.broker.redaction import RedactedTask
from payment_worker.broker.transport import register

register()

app = Celery("payment_worker", task_cls=RedactedTask, include=["payment_worker.tasks"])
app.config_from_object("celeryconfig")
