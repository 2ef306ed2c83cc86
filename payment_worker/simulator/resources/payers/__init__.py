"""Who pays, and with what: customers, payment methods, SetupIntents, ConfirmationTokens."""
