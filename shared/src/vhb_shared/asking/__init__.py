"""What was asked of a model: rendered from the plan and the data, by whoever asks and by whoever shows it later."""
