"""lr-train as a program: a signal ends it without a word from its first line on, among imports too."""

from __future__ import annotations

from lr_runtime.system.signals import at_once, handled


def main() -> None:
    """Run the command."""
    with handled(at_once):
        from lr_trainer.torchrun import launched

        with launched() as workers:
            from lr_trainer.cli import main as command

            command(obj=workers)


if __name__ == "__main__":
    main()
