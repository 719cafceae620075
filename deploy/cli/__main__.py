"""``python -m deploy.cli``: the command `rollcall`."""

from deploy.cli.command import main

if __name__ == "__main__":
    main()
