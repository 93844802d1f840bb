"""How fast the service is, each figure beside a yardstick of the same run: `python -m bench`, or `make bench`.

The real service runs as a process of its own on one core, the load and the receiver on another; absolute figures belong to the
machine, ratios to the yardstick can be compared.
"""
