"""A process that the kernel ends when it opens a file, makes a socket or starts a program (seccomp(2), Linux).

A hook of Python would not see what ONNX Runtime does in C++; the kernel sees all of it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from typing import Literal

Deed = Literal["files", "network", "programs"]

# Numbers of system calls: asm/unistd.h of each machine.
_CALLS: dict[str, dict[Deed, tuple[int, ...]]] = {
    "x86_64": {
        "files": (2, 85, 257, 304, 425, 437),  # open, creat, openat, open_by_handle_at, io_uring_setup, openat2
        "network": (41, 42, 53),  # socket, connect, socketpair
        "programs": (57, 58, 59, 322),  # fork, vfork, execve, execveat
    },
    "aarch64": {
        "files": (56, 265, 425, 437),  # openat, open_by_handle_at, io_uring_setup, openat2
        "network": (198, 199, 203),  # socket, socketpair, connect
        "programs": (221, 281),  # execve, execveat
    },
}
AVAILABLE = sys.platform == "linux" and platform.machine() in _CALLS

_LOAD_NUMBER, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of a BPF program: linux/bpf_common.h
_END_PROCESS, _ALLOW = 0x80000000, 0x7FFF0000  # linux/seccomp.h
_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # linux/prctl.h


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


def seal(*deeds: Deed) -> None:
    """From now on, any of these deeds, in Python or below it, ends this process with SIGSYS."""
    numbers = [number for deed in deeds for number in _CALLS[platform.machine()][deed]]
    filters = [
        _Instruction(_LOAD_NUMBER, 0, 0, 0),
        # A number of the list jumps over the rest of it and over the leave to go on.
        *(_Instruction(_IF_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)),
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_RETURN, 0, 0, _END_PROCESS),
    ]
    program = _Program(len(filters), (_Instruction * len(filters))(*filters))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((_NO_NEW_PRIVILEGES, 1, 0, 0, 0), (_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if libc.prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno() or errno.EINVAL))
