"""Reading what users bring, pinning it in storage, and selecting a run's samples."""
