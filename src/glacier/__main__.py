"""`python -m glacier`: the command line where the script is not on the path."""

from glacier.cli import main

if __name__ == "__main__":
    main()
