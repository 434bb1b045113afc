"""`python -m jaxcnn COMMAND ...` is the console command `jaxcnn COMMAND ...`."""

import sys

from jaxcnn.commands.console import main

if __name__ == "__main__":
    sys.exit(main())
