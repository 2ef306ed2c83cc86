"""PaymentIntents and what becomes of them: charges, refunds, disputes."""
