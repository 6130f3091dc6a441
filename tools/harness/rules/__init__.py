"""Read, check and speed up the rule files of prometheus/."""
