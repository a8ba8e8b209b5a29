"""What every VLMHyperBench service shares."""
