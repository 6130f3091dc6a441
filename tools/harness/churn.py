"""A program whose processes make, share and close groups all the time."""

from __future__ import annotations


PROCESSES = 200

# Code for tools.harness.listeners.listening(), in a pid namespace of its own.
CHURN = f"""
    import random, signal

    def churn(chance):
        while True:
            group = init(FID)
            time.sleep(chance.random())
            mark(group, ADD, OPEN, "/")
            other = os.dup(group)
            os.close(group)
            time.sleep(chance.random())
            if chance.random() < 0.1 and os.fork():
                os._exit(0)  # a child goes on with the group
            os.close(other)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number in range({PROCESSES}):
        if not os.fork():
            # A user of its own for each process: max_user_groups is 128.
            os.setresgid(*[200_000 + number] * 3)
            os.setresuid(*[200_000 + number] * 3)
            churn(random.Random(number))
    """
