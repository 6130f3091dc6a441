"""A serving process that was taken over cannot change other processes."""

from __future__ import annotations

import pytest

from tools.harness.takeover import UNTOUCHED, WAYS, attack, victim


ROOT, STRANGER = 0, 65_533

# CAP_SYS_PTRACE is enough for the first, and user 0 without capabilities for the last.
OPEN_TO_ALL = {"process_vm_writev", "ptrace", "pidfd_getfd"}
OPEN_TO_ROOT = {"F_SETOWN"}


@pytest.mark.parametrize("uid", [ROOT, STRANGER])
@pytest.mark.parametrize("user", ["nobody", "root"])
@pytest.mark.parametrize("way", WAYS)
def test_changing_another_process(way: str, user: str, uid: int) -> None:
    """The filter refuses each way that the retained capabilities leave open."""
    with victim(uid) as target:
        attack(way, target, user=user, is_filtered=False)
        is_open_to_root = uid == ROOT or way in OPEN_TO_ROOT
        is_open = way in OPEN_TO_ALL or (user == "root" and is_open_to_root)
        assert is_open == (target.content() != UNTOUCHED)
    with victim(uid) as target:
        assert "EPERM" == attack(way, target, user=user, is_filtered=True)
        assert UNTOUCHED == target.content()
