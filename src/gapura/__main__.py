"""`python -m gapura` is the command line."""

from gapura.cli import main

if __name__ == "__main__":
    main()
