"""Descriptions and descriptors over a socket pair."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fanotify_exporter.bpf.loaded import AttachedProbe, LoadedCalls
from fanotify_exporter.errors import LoadError
from fanotify_exporter.loader.handover import (
    MAX_FDS,
    MAX_MESSAGE,
    receive,
    send,
    send_error,
)
from tools.harness.loaded_programs import UNUSED, make_loaded


Pair = tuple[socket.socket, socket.socket]

LOADED = replace(
    make_loaded(
        [UNUSED] * 17,
        lost=(0,) * 6,
        lost_reasons=("no_entry", "other"),
        probes=[
            AttachedProbe("fanotify_mark", "tracepoint:enter", programs=("program",)),
            AttachedProbe("fanotify_mark", "tracepoint:exit"),
        ],
        share=lambda _: -1,
    ),
    reasons={"fentry": 'no BTF: "vmlinux"\n', "kprobe": "\u00f8re"},
    fds={},
)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return a channel as the loader makes it, with a short timeout."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.2)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def pipes() -> Iterator[list[tuple[int, int]]]:
    """Return pipes. Data that is written to one end identifies the descriptor."""
    made = [os.pipe2(os.O_NONBLOCK) for _ in range(3)]
    yield made
    for ends in made:
        for fd in ends:
            os.close(fd)


def described(loaded: LoadedCalls, fds: dict[str, int]) -> LoadedCalls:
    return replace(loaded, fds=fds)


def test_description_arrives_as_it_was_sent(pair: Pair) -> None:
    """Every member arrives with its value and its type."""
    ours, theirs = pair
    send(theirs, LOADED)
    received = receive(ours)
    assert isinstance(received, LoadedCalls)
    assert LOADED.lost_reasons == received.lost_reasons
    assert LOADED.probes == received.probes
    assert LOADED == received


def test_descriptors_arrive_under_their_names(
    pair: Pair, pipes: list[tuple[int, int]]
) -> None:
    """Each name has the same open file on both sides."""
    ours, theirs = pair
    names = ("slots", "lost", "program")
    sent = dict(zip(names, (write for _, write in pipes), strict=True))
    send(theirs, described(LOADED, sent))
    received = receive(ours)
    assert isinstance(received, LoadedCalls)
    assert names == tuple(received.fds)
    assert not set(received.fds.values()) & set(sent.values())
    for name, (read, _) in zip(names, pipes, strict=True):
        os.write(received.fds[name], name.encode())
        assert name.encode() == os.read(read, 16)
        os.close(received.fds[name])


def test_descriptors_outlive_the_sender(
    pair: Pair, pipes: list[tuple[int, int]]
) -> None:
    """The descriptors stay open when the sender has closed them and is gone."""
    ours, theirs = pair
    read, write = pipes[0]
    copy = os.dup(write)
    send(theirs, described(LOADED, {"slots": copy}))
    os.close(copy)
    theirs.close()
    received = receive(ours)
    assert isinstance(received, LoadedCalls)
    os.write(received.fds["slots"], b"here")
    os.close(received.fds["slots"])
    assert b"here" == os.read(read, 16)


def test_descriptors_are_not_for_children(
    pair: Pair, pipes: list[tuple[int, int]]
) -> None:
    """A program that the serving process starts inherits no descriptor."""
    ours, theirs = pair
    send(theirs, described(LOADED, {"slots": pipes[0][1]}))
    received = receive(ours)
    assert isinstance(received, LoadedCalls)
    assert not os.get_inheritable(received.fds["slots"])
    os.close(received.fds["slots"])


def test_many_descriptors(pair: Pair, pipes: list[tuple[int, int]]) -> None:
    """A message carries MAX_FDS descriptors."""
    ours, theirs = pair
    sent = {f"fd {number}": pipes[0][1] for number in range(MAX_FDS)}
    send(theirs, described(LOADED, sent))
    received = receive(ours)
    assert isinstance(received, LoadedCalls)
    for fd in received.fds.values():
        os.close(fd)
    assert list(sent) == list(received.fds)
    assert MAX_FDS == len(set(received.fds.values()))


@pytest.mark.parametrize(
    "message",
    [
        "cannot attach: Operation not permitted",
        'clang: "unknown"\ttype',
        "\u00f8re",
        "",
    ],
)
def test_error_arrives_instead(pair: Pair, message: str) -> None:
    """An error in the place of programs arrives unchanged."""
    ours, theirs = pair
    send_error(theirs, LoadError(message, "mend it"))
    received = receive(ours)
    assert isinstance(received, LoadError)
    assert (message, "mend it") == (received.why, received.advice)


@pytest.mark.parametrize("character", ["x", '"', "\u00e9", "\U0001f600"])
def test_error_of_any_length_arrives(pair: Pair, character: str) -> None:
    """An error that is too long for a message is shortened."""
    ours, theirs = pair
    message = f"the cause: {character * MAX_MESSAGE}"
    send_error(theirs, LoadError(message))
    received = receive(ours)
    assert isinstance(received, LoadError)
    assert received.why.startswith("the cause: ")


def test_peer_that_is_gone(pair: Pair) -> None:
    """If the child died without a message, the result is None."""
    ours, theirs = pair
    theirs.close()
    assert receive(ours) is None


def test_peer_that_sends_nothing(pair: Pair) -> None:
    """If the child hangs, receive() raises TimeoutError after the channel's timeout."""
    ours, _ = pair
    with pytest.raises(TimeoutError):
        receive(ours)


def test_messages_stay_apart(pair: Pair) -> None:
    """The channel keeps two messages apart."""
    ours, theirs = pair
    send_error(theirs, LoadError("one"))
    send_error(theirs, LoadError("two"))
    assert ["one", "two"] == [str(receive(ours)) for _ in range(2)]
