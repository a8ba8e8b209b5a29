"""The REST interface: routes, answers, errors."""
