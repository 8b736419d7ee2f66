"""lr-train under torchrun, one worker of which is ended with SIGKILL amid a pass, in its first life alone.

LOST is its rank, and after how many blocks. Each block that is taken is a line in the file `taken`, of life and rank.
"""

from __future__ import annotations

import os
import signal
import time
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any

from lr_trainer.__main__ import main

rank, most = map(int, os.environ["LOST"].split(","))
passes: Any = import_module("lr_trainer.moments.passes")
saved: Any = import_module("lr_trainer.moments.saved")
take, blocks = passes.moments_about, count()
life, own = os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]


def moments_about(*arguments: Any, **options: Any) -> Any:
    if next(blocks) >= most and life == "0":
        time.sleep(0.2)  # the blocks before are saved
        if own == str(rank):
            os.kill(os.getpid(), signal.SIGKILL)
    with Path("taken").open("a") as file:
        file.write(f"{life} {own}\n")
    return take(*arguments, **options)


if __name__ == "__main__":
    passes.moments_about = moments_about
    saved._EVERY = saved._SHARE = 0
    main()
