"""What a payment is: pure values and tables, with no clock, no dice and no input or output."""
