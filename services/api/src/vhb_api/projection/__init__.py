"""From the event stream to rows: pure derivation, one writer, rebuilding."""
