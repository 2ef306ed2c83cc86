"""Stripe's objects as the simulator keeps them: PaymentIntents, charges, refunds, disputes, events."""
