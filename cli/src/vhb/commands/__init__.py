"""The commands of vhb."""
