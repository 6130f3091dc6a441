"""Names of fanotify's numbers, against a second copy of the kernel's tables."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import combinations, product

import pytest

from fanotify_exporter.uapi import fanotify
from tools.harness.c_headers import defined_numbers, header_lines


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


def number_of(text: str, numbers: Mapping[str, int]) -> int:
    """Return the number that a text stands for, by the copies above."""
    terms = text.split("|")
    return sum(numbers[term] if term in numbers else int(term, 0) for term in terms)


@lru_cache
def some_numbers(width: int) -> frozenset[int]:
    """Return zero, all ones, every bit, every pair of bits, and random numbers."""
    bits = [1 << shift for shift in range(width)]
    chance = random.Random(301)
    numbers = {
        0,
        (1 << width) - 1,
        *bits,
        *(one | other for one, other in combinations(bits, 2)),
        *(chance.getrandbits(width) for _ in range(1_000)),
        *(chance.getrandbits(width) & chance.getrandbits(width) for _ in range(1_000)),
    }
    return frozenset(numbers)


@pytest.fixture
def fanotify_h() -> list[str]:
    return header_lines("linux/fanotify.h")


def test_flag_tables_are_the_uapi() -> None:
    """The tables of commands, modifiers and types have every constant and no other."""
    assert {v: k for k, v in COMMANDS.items()} == fanotify.MARK_COMMANDS
    assert {v: k for k, v in MODIFIERS.items()} == fanotify.MARK_MODIFIERS
    assert {v: k for k, v in TYPES.items()} == fanotify.MARK_TYPES
    assert 0x110 == fanotify.MARK_TYPE_MASK


def test_mask_table_is_the_uapi() -> None:
    """The table of mask bits has every constant and no other."""
    assert {v: k for k, v in MASK.items()} == fanotify.MASK


def test_flags_agree_with_the_header(fanotify_h: list[str]) -> None:
    """Every FAN_MARK_ constant of the installed header has its name."""
    defined = {
        name: number
        for name, number in defined_numbers(fanotify_h).items()
        if name.startswith("FAN_MARK_")
    }
    assert len(defined) >= 9
    named = {name: FLAGS[name] for name in defined}
    assert defined == named
    assert {name for name, number in defined.items() if number} == {
        fanotify.mark_flag_names(n) for n in defined.values() if n
    }


def test_mask_agrees_with_the_header(fanotify_h: list[str]) -> None:
    """Every event constant of the installed header has its name."""
    events = fanotify_h[: fanotify_h.index("/* helper events */")]
    defined = defined_numbers(events)
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
    """The text of one flag is the name of the flag."""
    assert name == fanotify.mark_flag_names(number)


@pytest.mark.parametrize(("name", "number"), MASK.items())
def test_names_each_mask_bit(name: str, number: int) -> None:
    """The text of one mask bit is the name of the bit."""
    assert name == fanotify.mask_names(number)


def test_zero_is_0() -> None:
    """The text of no bits is "0", not an empty label."""
    assert "0" == fanotify.mark_flag_names(0)
    assert "0" == fanotify.mask_names(0)


def test_all_ones_of_flags() -> None:
    """32 ones give all flags, one type, and one term for the bits without a name."""
    numbers = {**COMMANDS, **MODIFIERS, "FAN_MARK_MNTNS": TYPES["FAN_MARK_MNTNS"]}
    names = sorted(numbers, key=lambda name: numbers[name])
    rest = (1 << U32) - 1 - sum(numbers.values())
    expected = "|".join([*names, f"{rest:#x}"])
    assert expected == fanotify.mark_flag_names(0xFFFF_FFFF)


def test_all_ones_of_a_mask() -> None:
    """64 ones give all events in order, and one term for the bits without a name."""
    rest = (1 << U64) - 1 - sum(MASK.values())
    assert "|".join([*MASK, f"{rest:#x}"]) == fanotify.mask_names((1 << U64) - 1)


def test_unnamed_mask() -> None:
    """The named bits and the bits without a name are the 64 bits of a mask."""
    assert 0 == fanotify.UNNAMED_MASK & sum(MASK.values())
    assert (1 << U64) - 1 == fanotify.UNNAMED_MASK | sum(MASK.values())


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_unknown_bits_survive(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """A bit without a name stays visible as hex, alone and beside a name."""
    known = sum({number for number in numbers.values() if number.bit_count() == 1})
    first = next(name for name, number in numbers.items() if number == 1)
    for unknown in (1 << n for n in range(width) if not known >> n & 1):
        assert f"{unknown:#x}" == spell(unknown)
        assert f"{first}|{unknown:#x}" == spell(unknown | 1)


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_numbers_never_share_a_text(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """A text stands for exactly one number."""
    for number in some_numbers(width):
        assert number == number_of(spell(number), numbers)


@pytest.mark.parametrize(
    ("spell", "numbers", "width"),
    [(fanotify.mark_flag_names, FLAGS, U32), (fanotify.mask_names, MASK, U64)],
)
def test_names_ascend(
    spell: Callable[[int], str], numbers: Mapping[str, int], width: int
) -> None:
    """Names are in ascending bit order, the hex of the other bits last."""
    for number in some_numbers(width):
        *terms, last = spell(number).split("|")
        values = [numbers[term] for term in terms]
        if last in numbers:
            values.append(numbers[last])
        assert sorted(values) == values


def test_type_bits_are_one_field() -> None:
    """0x110 is the mount namespace type, not the mount and the filesystem type."""
    assert "FAN_MARK_ADD|FAN_MARK_MNTNS" == fanotify.mark_flag_names(0x111)
    assert "FAN_MARK_ADD|FAN_MARK_FILESYSTEM" == fanotify.mark_flag_names(0x101)
    assert "FAN_MARK_ADD|FAN_MARK_MOUNT" == fanotify.mark_flag_names(0x011)


@pytest.mark.parametrize(
    ("field", "expected"),
    [(0x000, "inode"), (0x010, "mount"), (0x100, "filesystem"), (0x110, "mntns")],
)
def test_mark_type(field: int, expected: str) -> None:
    """The type depends only on the two bits of the type."""
    others = [bits & ~0x110 for bits in some_numbers(U32)]
    assert {expected} == {fanotify.mark_type(bits | field) for bits in others}


@pytest.mark.parametrize(("add", "remove", "flush"), list(product((0, 1), repeat=3)))
def test_mark_action(add: int, remove: int, flush: int) -> None:
    """One command bit is an action, none or several are invalid."""
    command = add * 0x01 | remove * 0x02 | flush * 0x80
    expected = {0x01: "add", 0x02: "remove", 0x80: "flush"}.get(command, "invalid")
    others = [bits & ~0x83 for bits in some_numbers(U32)]
    assert {expected} == {fanotify.mark_action(bits | command) for bits in others}


def test_init_tables_agree_with_the_header(fanotify_h: list[str]) -> None:
    """The fanotify_init(2) flags have the numbers of the installed header."""
    tables = {**fanotify.INIT_FLAGS, **fanotify.INIT_CLASSES}
    known = {name: number for number, name in tables.items()}
    defined = defined_numbers(fanotify_h)
    both = defined.keys() & known.keys()
    assert len(both) > 10
    assert {name: defined[name] for name in both} == {
        name: known[name] for name in both
    }


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
    """Flags have their names, the class is an enumeration, other bits stay as hex."""
    assert text == fanotify.init_flag_names(flags)
    assert group_class == fanotify.init_class(flags)
