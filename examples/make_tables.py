"""Writes the tables of three calibrations: `python examples/make_tables.py FOLDER`.

Their laws are known, and the errors of measurement come from a seed.

- thermistor.csv: the resistance and the temperature of a thermistor, whose 1/T is straight in log R and its cube
  (Steinhart and Hart 1968, Calibration curves for thermistors), with errors of 0.07 kelvin
- load_cell.csv: the bridge voltage of a load cell, whose sensitivity and zero drift with the temperature, with errors
  of 0.027 kilograms
- sensor_curve.csv: 16 points of a diode thermometer, through which a polynomial of degree 15 goes
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path


def thermistor() -> list[str]:
    """Return a table of ohm and kelvin, from 0 to 61 degrees Celsius."""
    chance = random.Random(1)  # noqa: S311 - measurement errors, no secret
    a, b, c = 1.129241e-3, 2.341077e-4, 8.775468e-8
    lines = ["ohm,kelvin"]
    for step in range(166):
        log = 10.4 - (10.4 - 7.75) * step / 165
        ohm = float(f"{math.exp(log):.5g}")
        kelvin = 1 / (a + b * math.log(ohm) + c * math.log(ohm) ** 3) + chance.gauss(0, 0.07)
        lines.append(f"{ohm:g},{kelvin:.3f}")
    return lines


def load_cell() -> list[str]:
    """Return a table of millivolts, degrees Celsius and kilograms."""
    chance = random.Random(2)  # noqa: S311 - measurement errors, no secret
    lines = ["mv,temp,kg"]
    for _ in range(200):
        temp, kg = chance.uniform(-10, 50), chance.uniform(0, 50)
        mv = (kg - 0.012 * (temp - 20)) / (2.5 * (1 + 1.1e-3 * (temp - 20)))
        lines.append(f"{mv:.5f},{temp:.2f},{kg + chance.gauss(0, 0.027):.3f}")
    return lines


def sensor_curve() -> list[str]:
    """Return a table of volts and kelvin, denser towards both ends, where a polynomial would swing otherwise."""
    lines = ["volt,kelvin"]
    for step in range(16):
        volt = 1.0 + 0.7 * math.cos(math.pi * (2 * step + 1) / 32)
        kelvin = 530 - 290 * volt - 35 * math.tanh(6 * (volt - 1.28)) + 6 * math.sin(4 * volt)
        lines.append(f"{volt:.6f},{kelvin:.4f}")
    return lines


if __name__ == "__main__":
    for table in (thermistor, load_cell, sensor_curve):
        Path(sys.argv[1], f"{table.__name__}.csv").write_text("\n".join(table()) + "\n", encoding="utf-8")
