"""lr-infer, lr-inspect and lr-serve as programs: a signal ends them without a word from the first line on."""

from __future__ import annotations

from lr_runtime.system.signals import at_once, handled


def infer() -> None:
    """Run lr-infer."""
    with handled(at_once):
        from lr_runtime.commands.infer import main

        main()


def inspect() -> None:
    """Run lr-inspect."""
    with handled(at_once):
        from lr_runtime.commands.inspect import main

        main()


def serve() -> None:
    """Run lr-serve."""
    with handled(at_once):
        from lr_runtime.commands.serve import main

        main()


if __name__ == "__main__":
    infer()
