"""What a job would send, before it is handed in."""
