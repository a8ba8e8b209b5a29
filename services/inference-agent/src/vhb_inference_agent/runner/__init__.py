"""From a shard to its answers: prompts, concurrent requests, retries, outcomes, checkpoints, the answers part."""
