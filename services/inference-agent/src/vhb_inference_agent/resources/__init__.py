"""What a host has, what backends need of it, and who holds what."""
