"""What beat starts: sweeping for stuck work, relaying the outbox, deleting what is past its retention."""
