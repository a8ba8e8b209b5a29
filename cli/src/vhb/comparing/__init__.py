"""`vhb compare`: which runs are meant, which belong together, and what is said of them."""
