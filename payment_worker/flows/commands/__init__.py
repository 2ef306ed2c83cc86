"""What other apps ask for: charge, refund, capture, cancel, retry; each becomes an attempt or a rejection."""
