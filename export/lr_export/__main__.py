"""lr-export and lr-import as programs: a signal ends them without a word from the first line on, among imports too."""

from __future__ import annotations

from lr_runtime.system.signals import at_once, handled


def main() -> None:
    """Run lr-export."""
    with handled(at_once):
        from lr_export.cli import main as command

        command()


def importing() -> None:
    """Run lr-import."""
    with handled(at_once):
        from lr_export.import_cli import main as command

        command()


if __name__ == "__main__":
    main()
