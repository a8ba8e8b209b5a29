"""The vhb command and the embedded stack."""
