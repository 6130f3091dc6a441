"""Write the PrometheusRules of deploy/kubernetes: `python -m tools.manifests`."""

from __future__ import annotations

import argparse

from tools.manifests import rules


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m tools.manifests", description=__doc__
    ).parse_args()
    rules.WRITTEN.write_text(rules.render())
