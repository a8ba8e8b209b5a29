"""YAML and JSON files that people write: read within bounds, checked against a model, mistakes said by line."""
