"""What Stripe says of the key itself: its account, whether it is reachable, its webhook endpoints."""
