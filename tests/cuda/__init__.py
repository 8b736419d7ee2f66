"""The same code on a CUDA device: `make cuda` runs the tests marked so, and measures; see docs/performance.md.

wheels.py     brings what a machine without a network and without pip lacks
__main__.py   runs the steps, each in a process of its own with a time limit; it imports the standard library alone
figures.py    one step: fits on the device, beside the CPU path and the bandwidth of the device's memory
"""
