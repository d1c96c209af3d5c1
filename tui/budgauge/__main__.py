"""`python -m budgauge` and the console script."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    from budgauge.cli import cli

    cli(prog_name="budgauge")


if __name__ == "__main__":
    main()
