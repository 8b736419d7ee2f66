"""lr-train under torchrun, one worker of which is ended with SIGKILL amid a pass, in its first life alone.

LOST is its rank, and after how many blocks.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from itertools import count
from typing import Any

from lr_trainer.__main__ import main

rank, most = map(int, os.environ["LOST"].split(","))
passes: Any = import_module("lr_trainer.moments.passes")
take, blocks = passes.moments_about, count()


def moments_about(*arguments: Any, **options: Any) -> Any:
    is_due = next(blocks) >= most and os.environ["RANK"] == str(rank)
    if is_due and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return take(*arguments, **options)


if __name__ == "__main__":
    passes.moments_about = moments_about
    main()
