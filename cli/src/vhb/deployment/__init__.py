"""What `vhb init` writes for a deployment with compose.yaml."""
