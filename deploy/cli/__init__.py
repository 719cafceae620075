"""The command `rollcall`, a module for each of its commands."""


def main() -> None:
    """What the installed command runs. Its modules are loaded only then."""
    from deploy.cli.command import main as run

    run()
