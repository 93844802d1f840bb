"""Playbooks: what a plan says is to be done, and the runs that do it (EP-7).

Holds the document, the runner, the step kinds. The outside world is touched in one place, `external.py`. Never decides who
holds a position or which level an incident has.
"""
