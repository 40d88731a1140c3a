"""The entry point of the command `neurornn`."""

from neurornn.cli import main

if __name__ == "__main__":
    main()
