"""Warnings (预警, EP-2.5, OM-2): indicators that are pushed in, and what comes of one that crosses a threshold of the plan.

A warning is raised before there is an incident, changes its colour as the indicator does, and ends: lifted, or become an incident.
This room never judges an incident; the warning state of one that exists is `app.incidents.warning`.
"""
