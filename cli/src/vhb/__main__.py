"""`python -m vhb`: the same as `vhb`."""

from vhb.main import main

if __name__ == "__main__":
    main()
