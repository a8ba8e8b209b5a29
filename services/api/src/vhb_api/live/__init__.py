"""What happens now, for whoever watches: one reader for all of them, each at their own pace."""
