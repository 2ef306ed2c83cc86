"""The console: web pages about payments, findings and balances for operators."""
