"""What we are told and what we tell: requests in, messages out, and what of either may be kept."""
