"""Orders, and the charges and refunds that Payment Worker is sent."""

from uuid import uuid4

from django.db import models


class Order(models.Model):
    """What a customer buys."""

    amount = models.BigIntegerField(help_text="In minor units: cents, or yen.")
    currency = models.CharField(max_length=3)

    class Meta:
        db_table = "shop_order"


class Charge(models.Model):
    """The outbox: a charge that was decided with its order, whether or not Redis could take the message."""

    payment_id = models.UUIDField(primary_key=True, default=uuid4)
    order = models.ForeignKey(Order, on_delete=models.PROTECT)
    payment_method = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=50, null=True)  # noqa: DJ001 none yet
    """The type of the message with its outcome: `PaymentSucceeded`, `PaymentFailed`, … Written by the consumer."""

    class Meta:
        db_table = "charge"


class Refund(models.Model):
    """The same for a refund that was decided."""

    refund_id = models.UUIDField(primary_key=True, default=uuid4)
    charge = models.ForeignKey(Charge, on_delete=models.PROTECT)
    amount = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    outcome = models.CharField(max_length=50, null=True)  # noqa: DJ001 none yet

    class Meta:
        db_table = "refund"
