"""`python -m ruxi`, the form in which launchers such as torchrun start it."""

from ruxi.cli import main

if __name__ == "__main__":
    main()
