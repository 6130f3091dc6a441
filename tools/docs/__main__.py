"""Write the generated pages and tables of docs/: `make docs`."""

from __future__ import annotations

import sys

from tools.docs import pages


def main() -> int:
    """Write each page and return the exit status."""
    try:
        written = pages.render()
    except KeyError as error:
        print(
            f"tools.docs: {error} has no facts: "
            "add them to tools/docs/family_facts.py or uapi_facts.py",
            file=sys.stderr,
        )
        return 1
    for path, text in written.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
