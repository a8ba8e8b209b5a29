"""The explorer of samples: samples.html, and the data and image files beside it that it loads on demand."""
