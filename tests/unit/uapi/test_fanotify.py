"""Numbers in, the uapi's words out, against a second copy of the numbers."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from itertools import combinations, product
from pathlib import Path

import pytest

from fanotify_exporter.uapi import comm as comms
from fanotify_exporter.uapi import errnos, fanotify, fcntl, inotify


FANOTIFY_H = Path("/usr/include/linux/fanotify.h")
ERRNO_HEADERS = (
    Path("/usr/include/asm-generic/errno-base.h"),
    Path("/usr/include/asm-generic/errno.h"),
)

U32, U64 = 32, 64

COMMANDS = {
    "FAN_MARK_ADD": 0x001,
    "FAN_MARK_REMOVE": 0x002,
    "FAN_MARK_FLUSH": 0x080,
}
MODIFIERS = {
    "FAN_MARK_DONT_FOLLOW": 0x004,
    "FAN_MARK_ONLYDIR": 0x008,
    "FAN_MARK_IGNORED_MASK": 0x020,
    "FAN_MARK_IGNORED_SURV_MODIFY": 0x040,
    "FAN_MARK_EVICTABLE": 0x200,
    "FAN_MARK_IGNORE": 0x400,
}
TYPES = {
    "FAN_MARK_INODE": 0x000,
    "FAN_MARK_MOUNT": 0x010,
    "FAN_MARK_FILESYSTEM": 0x100,
    "FAN_MARK_MNTNS": 0x110,
}
FLAGS = {**COMMANDS, **MODIFIERS, **TYPES}

MASK = {
    "FAN_ACCESS": 0x1,
    "FAN_MODIFY": 0x2,
    "FAN_ATTRIB": 0x4,
    "FAN_CLOSE_WRITE": 0x8,
    "FAN_CLOSE_NOWRITE": 0x10,
    "FAN_OPEN": 0x20,
    "FAN_MOVED_FROM": 0x40,
    "FAN_MOVED_TO": 0x80,
    "FAN_CREATE": 0x100,
    "FAN_DELETE": 0x200,
    "FAN_DELETE_SELF": 0x400,
    "FAN_MOVE_SELF": 0x800,
    "FAN_OPEN_EXEC": 0x1000,
    "FAN_Q_OVERFLOW": 0x4000,
    "FAN_FS_ERROR": 0x8000,
    "FAN_OPEN_PERM": 0x10000,
    "FAN_ACCESS_PERM": 0x20000,
    "FAN_OPEN_EXEC_PERM": 0x40000,
    "FAN_PRE_ACCESS": 0x100000,
    "FAN_MNT_ATTACH": 0x1000000,
    "FAN_MNT_DETACH": 0x2000000,
    "FAN_EVENT_ON_CHILD": 0x8000000,
    "FAN_RENAME": 0x10000000,
    "FAN_ONDIR": 0x40000000,
}

ERRNOS = {
    1: "EPERM",
    2: "ENOENT",
    9: "EBADF",
    11: "EAGAIN",
    12: "ENOMEM",
    13: "EACCES",
    17: "EEXIST",
    18: "EXDEV",
    19: "ENODEV",
    20: "ENOTDIR",
    21: "EISDIR",
    22: "EINVAL",
    24: "EMFILE",
    28: "ENOSPC",
    35: "EDEADLK",
    38: "ENOSYS",
    95: "EOPNOTSUPP",
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    516: "ERESTART_RESTARTBLOCK",
    524: "ENOTSUPP",
}


def number_of(text: str, numbers: Mapping[str, int]) -> int:
    """Read a text back, by the copies above."""
    terms = text.split("|")
    return sum(numbers[term] if term in numbers else int(term, 0) for term in terms)


@lru_cache
def some_numbers(width: int) -> frozenset[int]:
    """Zero, all ones, every bit, every pair of bits, and random ones."""
    bits = [1 << shift for shift in range(width)]
    chance = random.Random(301)
    numbers = {
        0,
        (1 << width) - 1,
        *bits,
        *(one | other for one, other in combinations(bits, 2)),
        *(chance.getrandbits(width) for _ in range(3_000)),
        *(chance.getrandbits(width) & chance.getrandbits(width) for _ in range(2_000)),
    }
    return frozenset(numbers)


def header_numbers(lines: Iterable[str]) -> dict[str, int]:
    """Return the names that C header lines define as one literal number."""
    found = (
        re.match(r"#define\s+(\w+)\s+(0[xX][0-9a-fA-F]+|\d+)\s*(?:/\*|$)", line)
        for line in lines
    )
    return {define[1]: int(define[2], 0) for define in found if define}


@pytest.fixture
def fanotify_h() -> list[str]:
    if not FANOTIFY_H.exists():
        pytest.skip(f"no {FANOTIFY_H} (linux-libc-dev)")
    return FANOTIFY_H.read_text().splitlines()


def test_flag_tables_are_the_uapi() -> None:
    """The three tables of flags have every constant of the uapi and no other."""
    assert {v: k for k, v in COMMANDS.items()} == fanotify.MARK_COMMANDS
    assert {v: k for k, v in MODIFIERS.items()} == fanotify.MARK_MODIFIERS
    assert {v: k for k, v in TYPES.items()} == fanotify.MARK_TYPES
    assert 0x110 == fanotify.MARK_TYPE_MASK


def test_mask_table_is_the_uapi() -> None:
    """The mask's table has every constant of the uapi and no other."""
    assert {v: k for k, v in MASK.items()} == fanotify.MASK


def test_flags_agree_with_the_header(fanotify_h: list[str]) -> None:
    """Every FAN_MARK_ constant of this machine's header has its name here."""
    defined = {
        name: number
        for name, number in header_numbers(fanotify_h).items()
        if name.startswith("FAN_MARK_")
    }
    assert len(defined) >= 9
    named = {name: FLAGS[name] for name in defined}
    assert defined == named
    assert {name for name, number in defined.items() if number} == {
        fanotify.mark_flag_names(n) for n in defined.values() if n
    }


def test_mask_agrees_with_the_header(fanotify_h: list[str]) -> None:
    """Every event constant of this machine's header has its name here."""
    events = fanotify_h[: fanotify_h.index("/* helper events */")]
    defined = header_numbers(events)
    assert len(defined) >= 18
    assert defined == {
        fanotify.mask_names(number): number for number in defined.values()
    }


def test_blocking_mask_is_the_permission_events() -> None:
    """A mask blocks if it has a permission event or FAN_PRE_ACCESS."""
    blocking = [
        number
        for name, number in MASK.items()
        if name.endswith("_PERM") or name == "FAN_PRE_ACCESS"
    ]
    assert sum(blocking) == fanotify.BLOCKING_MASK


@pytest.mark.parametrize(
    ("name", "number"), [each for each in FLAGS.items() if each[1]]
)
def test_names_each_flag(name: str, number: int) -> None:
    """A flag alone is its name alone."""
    assert name == fanotify.mark_flag_names(number)


@pytest.mark.parametrize(("name", "number"), MASK.items())
def test_names_each_mask_bit(name: str, number: int) -> None:
    """A mask bit alone is its name alone, in both ways to spell it."""
    assert name == fanotify.mask_names(number)
    assert (name,) == fanotify.mask_bit_names(number)


def test_zero_is_0() -> None:
    """No bits at all is the text "0", never an empty label."""
    assert "0" == fanotify.mark_flag_names(0)
    assert "0" == fanotify.mask_names(0)
    assert () == fanotify.mask_bit_names(0)


def test_all_ones_of_flags() -> None:
    """32 ones name all flags, the type once, and keep the unnamed bits in one term."""
    expected = (
        "FAN_MARK_ADD|FAN_MARK_REMOVE|FAN_MARK_DONT_FOLLOW|FAN_MARK_ONLYDIR|"
        "FAN_MARK_IGNORED_MASK|FAN_MARK_IGNORED_SURV_MODIFY|FAN_MARK_FLUSH|"
        "FAN_MARK_MNTNS|FAN_MARK_EVICTABLE|FAN_MARK_IGNORE|0xfffff800"
    )
    assert expected == fanotify.mark_flag_names(0xFFFF_FFFF)


def test_all_ones_of_a_mask() -> None:
    """64 ones name all events, in order, and keep the unnamed bits in one term."""
    expected = "|".join(MASK) + "|0xffffffffa4e82000"
    assert expected == fanotify.mask_names(0xFFFF_FFFF_FFFF_FFFF)


def test_all_ones_bit_by_bit() -> None:
    """64 ones are each named bit, and one term for the 40 without a name."""
    *names, rest = fanotify.mask_bit_names(0xFFFF_FFFF_FFFF_FFFF)
    assert sorted(MASK.values()) == [number_of(name, MASK) for name in names]
    assert 40 == int(rest, 16).bit_count()


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_unknown_bits_survive(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """A bit that the uapi does not name stays as hex, alone and beside a name."""
    known = sum({number for number in numbers.values() if number.bit_count() == 1})
    first = next(name for name, number in numbers.items() if number == 1)
    for unknown in (1 << n for n in range(width) if not known >> n & 1):
        assert f"{unknown:#x}" == spell(unknown)
        assert f"{first}|{unknown:#x}" == spell(unknown | 1)


def test_unknown_mask_bits_are_one_term() -> None:
    """A caller cannot make 40 series of one call with bits that nobody named."""
    # 0x80000 is FAN_DIR_MODIFY of 5.7-rc, taken back.
    assert ("FAN_OPEN", "0x8000000000082000") == fanotify.mask_bit_names(
        0x8000_0000_0008_2020
    )
    assert ("0x2000",) == fanotify.mask_bit_names(0x2000)


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_numbers_never_share_a_text(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """A text reads back as its number, so two numbers never share one."""
    for number in some_numbers(width):
        assert number == number_of(spell(number), numbers)


def test_bit_texts_add_up_to_the_mask() -> None:
    """The bits of a mask, read back, are the mask."""
    for mask in some_numbers(U64):
        names = fanotify.mask_bit_names(mask)
        assert mask == sum(number_of(name, MASK) for name in names)
        assert len(set(names)) == len(names) <= len(MASK) + 1


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_names_ascend(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """Names stand in ascending bit order, the hex of what has no name last."""
    for number in some_numbers(width):
        *terms, last = spell(number).split("|")
        values = [numbers[term] for term in terms]
        if last in numbers:
            values.append(numbers[last])
        assert sorted(values) == values


def test_type_bits_are_one_field() -> None:
    """0x110 is a mount namespace mark, not a mount and filesystem mark."""
    assert "FAN_MARK_ADD|FAN_MARK_MNTNS" == fanotify.mark_flag_names(0x111)
    assert "FAN_MARK_ADD|FAN_MARK_FILESYSTEM" == fanotify.mark_flag_names(0x101)
    assert "FAN_MARK_ADD|FAN_MARK_MOUNT" == fanotify.mark_flag_names(0x011)


@pytest.mark.parametrize(
    ("field", "expected"),
    [(0x000, "inode"), (0x010, "mount"), (0x100, "filesystem"), (0x110, "mntns")],
)
def test_mark_type(field: int, expected: str) -> None:
    """The type depends on its two bits alone, whatever the others are."""
    others = [bits & ~0x110 for bits in some_numbers(U32)]
    assert {expected} == {fanotify.mark_type(bits | field) for bits in others}


@pytest.mark.parametrize(("add", "remove", "flush"), list(product((0, 1), repeat=3)))
def test_mark_action(add: int, remove: int, flush: int) -> None:
    """An action is named if just one is asked for, whatever the other bits are."""
    command = add * 0x01 | remove * 0x02 | flush * 0x80
    expected = {0x01: "add", 0x02: "remove", 0x80: "flush"}.get(command, "invalid")
    others = [bits & ~0x83 for bits in some_numbers(U32)]
    assert {expected} == {fanotify.mark_action(bits | command) for bits in others}


@pytest.mark.parametrize(("number", "name"), ERRNOS.items())
def test_errno_name(number: int, name: str) -> None:
    """An errno is the symbol that the manual and strace give it."""
    assert name == errnos.errno_name(number)


@pytest.mark.parametrize("number", [0, 41, 520, 600, 4095, 65535])
def test_errno_without_a_name(number: int) -> None:
    """An errno without a symbol is its digits."""
    assert str(number) == errnos.errno_name(number)


def test_errno_names_are_distinct() -> None:
    """Two errnos never share a text."""
    names = {errnos.errno_name(number) for number in range(1 << 16)}
    assert 1 << 16 == len(names)


def test_errnos_agree_with_the_headers() -> None:
    """Every errno is named as this machine's headers name it."""
    missing = [str(header) for header in ERRNO_HEADERS if not header.exists()]
    if missing:
        pytest.skip(f"no {missing} (linux-libc-dev)")
    lines = [line for each in ERRNO_HEADERS for line in each.read_text().splitlines()]
    defined = header_numbers(lines)
    assert len(defined) > 100
    assert defined == {errnos.errno_name(number): number for number in defined.values()}


@pytest.mark.parametrize(
    ("comm", "text"),
    [
        (b"fatrace\0\0\0\0\0\0\0\0\0", "fatrace"),
        (b"", ""),
        (b"\0" * 16, ""),
        (b"a b", "a b"),
        (b"fifteen bytes..\0", "fifteen bytes.."),
        (b"sixteen bytes...", "sixteen bytes..."),
        (b"name\0left over\n!", "name"),
        (b"\xc3\xb8re", "\u00f8re"),
        (b"\xf8re", r"\xf8re"),
        (b"cut in two \xe2\x82", r"cut in two \xe2\x82"),
        (b"surrogate\xed\xb3\xbf", r"surrogate\xed\xb3\xbf"),
        (b"over\xc0\xaflong", r"over\xc0\xaflong"),
        (b"new\nline", r"new\x0aline"),
        (b"\r\t\x1b[2J\x7f", r"\x0d\x09\x1b[2J\x7f"),
        (b"next\xc2\x85line", r"next\xc2\x85line"),
        (b"bidi\xe2\x80\xae", r"bidi\xe2\x80\xae"),
        (b"no-break\xc2\xa0", r"no-break\xc2\xa0"),
        (b'say "hi"', 'say "hi"'),
        (b"it's", "it's"),
        (b"back\\slash", r"back\\slash"),
        (rb"\xf8re", r"\\xf8re"),
        (b'a="b",c{d} 1', 'a="b",c{d} 1'),
    ],
)
def test_comm_text(comm: bytes, text: str) -> None:
    """Any bytes give printable text that shows what the bytes were."""
    assert text == comms.comm_text(comm)


def test_comms_never_share_a_text() -> None:
    """Different thread names stay different and printable, whatever their bytes."""
    chance = random.Random(301)
    spiteful = b'\\x\n"n0ac\xc3\xa9\xe9\xff\xe2\x80\xae\xed '
    names = {chance.randbytes(chance.randrange(17)) for _ in range(5_000)}
    names |= {
        bytes(chance.choices(spiteful, k=chance.randrange(17))) for _ in range(5_000)
    }
    names = {name.split(b"\0")[0] for name in names}
    texts = {comms.comm_text(name) for name in names}
    assert len(names) == len(texts)
    assert all(text.isprintable() for text in texts)


def test_init_tables_agree_with_the_header(fanotify_h: list[str]) -> None:
    """What this machine's header says of fanotify_init(2) flags is what we say."""
    tables = {**fanotify.INIT_FLAGS, **fanotify.INIT_CLASSES}
    known = {name: number for number, name in tables.items()}
    defined = header_numbers(fanotify_h)
    told = {name: number for name, number in defined.items() if name in known}
    assert len(told) > 10
    assert told == {name: known[name] for name in told}


@pytest.mark.parametrize(
    ("flags", "text", "group_class"),
    [
        (0x0, "0", "notification"),
        (0x3, "FAN_CLOEXEC|FAN_NONBLOCK", "notification"),
        (0x4, "FAN_CLASS_CONTENT", "content"),
        (0x18, "FAN_CLASS_PRE_CONTENT|FAN_UNLIMITED_QUEUE", "pre_content"),
        (0xC, "FAN_CLASS_CONTENT|FAN_CLASS_PRE_CONTENT", "invalid"),
        (0x8000_8001, "FAN_CLOEXEC|0x80008000", "notification"),
    ],
)
def test_init_flags(flags: int, text: str, group_class: str) -> None:
    """Flags have their names, the class is an enumeration, unknown bits stay."""
    assert text == fanotify.init_flag_names(flags)
    assert group_class == fanotify.init_class(flags)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_event_f_flags_never_share_a_text(machine: str) -> None:
    """Each number of 32 bits that differs in one or two bits reads differently."""
    numbers = {1 << one | 1 << two for one in range(32) for two in range(32)} | {0}
    assert len(numbers) == len({fcntl.event_f_flag_names(n, machine) for n in numbers})


def test_event_f_flags_are_the_architectures() -> None:
    """The same bit is another flag on arm64, as in its own fcntl.h."""
    assert "O_RDONLY|O_LARGEFILE" == fcntl.event_f_flag_names(0x8000, "x86_64")
    assert "O_RDONLY|O_NOFOLLOW" == fcntl.event_f_flag_names(0x8000, "aarch64")
    assert "O_ACCMODE|O_APPEND|0x80000000" == fcntl.event_f_flag_names(
        0x8000_0403, "x86_64"
    )


def test_event_f_flags_agree_with_this_machine() -> None:
    """What Python's os module says of this machine is what we say."""
    table = fcntl.EVENT_F_FLAGS[os.uname().machine]
    checked = {
        name: number
        for number, name in table.items()
        if getattr(os, name, 0) and name != "O_LARGEFILE"  # glibc: 0 or its own
    }
    assert len(checked) > 10
    assert {name: getattr(os, name) for name in checked} == checked


def test_inotify_flags() -> None:
    """inotify_init1(2) flags are those of os, and unknown bits stay."""
    assert "IN_NONBLOCK|IN_CLOEXEC" == inotify.inotify_flag_names(
        os.O_NONBLOCK | os.O_CLOEXEC
    )
    assert "0" == inotify.inotify_flag_names(0)
    assert "0x1" == inotify.inotify_flag_names(1)
