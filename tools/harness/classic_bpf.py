"""Run a classic BPF program, as the kernel runs a seccomp filter; seccomp(2)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence


# Code, jumps if true and if false, constant.
Instruction = tuple[int, int, int, int]

# include/uapi/linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_K, BPF_RET.
LOAD, RETURN = 0x20, 0x06
TESTS: dict[int, Callable[[int, int], bool]] = {
    0x15: lambda word, constant: word == constant,
    0x35: lambda word, constant: word >= constant,
    0x45: lambda word, constant: bool(word & constant),
}


def verdict(
    program: Iterable[Instruction], abi: int, number: int, arguments: Sequence[int] = ()
) -> int:
    """Return what *program* answers to the call *number* of the ABI *abi*."""
    words = [each & 0xFFFF_FFFF_FFFF_FFFF for each in (*arguments, *6 * (0,))][:6]
    data = struct.pack("<iIQ6Q", number, abi, 0, *words)
    instructions = list(program)
    position = word = 0
    while True:
        code, if_true, if_false, constant = instructions[position]
        position += 1
        if code == RETURN:
            return constant
        if code == LOAD:
            (word,) = struct.unpack_from("<I", data, constant)
        else:
            position += if_true if TESTS[code](word, constant) else if_false
