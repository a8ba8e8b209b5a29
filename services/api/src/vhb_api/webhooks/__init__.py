"""Events sent to addresses that asked for them: who wants what, what is due, how it is signed and sent."""
