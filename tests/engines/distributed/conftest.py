"""Ray and Spark, each started once for all tests of this folder; where one is not installed, its tests say so."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW = "make test-engines installs it"
JAVA = "Spark needs Java 17 or later: sudo apt install default-jre-headless"
WORKERS = 2

# Ray and Daft tell their makers of their use, unless they are told not to. Ray warns of what it will do one day.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "DO_NOT_TRACK": "1", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@pytest.fixture(scope="session")
def ray() -> Iterator[Any]:
    """Ray, with a worker more than actors of a test take: where these hold all, what feeds them waits for ever."""
    module = pytest.importorskip("ray", reason=f"ray is not installed here: {HOW}")
    module.init(num_cpus=2 * WORKERS, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20)
    yield module
    module.shutdown()


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """A session of Spark on this machine, in which a task that fails is tried three times more."""
    sql = pytest.importorskip("pyspark.sql", reason=f"pyspark is not installed here: {HOW}")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip(JAVA)
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    builder = sql.SparkSession.builder.master(f"local[{WORKERS},4]").appName("linedge")
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": WORKERS,
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()
