"""Images of data sets and of uploads, as browsers show them."""
