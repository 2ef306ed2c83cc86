"""The public contract: task arguments in, CloudEvents messages out, and the masking of both."""
