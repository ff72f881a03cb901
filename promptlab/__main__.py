"""`python -m promptlab`."""

from promptlab.cli import main

main()
