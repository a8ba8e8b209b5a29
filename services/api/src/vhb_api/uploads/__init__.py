"""Files that a user puts here for a job, before it is handed in."""
