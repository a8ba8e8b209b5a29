"""Where data sets are fetched from before they are read: the hub, S3 buckets, the web."""
