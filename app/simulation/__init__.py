"""What would happen: a plan, an organisation and a scenario, played by the real engine on a clock that jumps, in memory.

Nothing in here leaves the process: messages and calls are taken down where they would have gone out (`stage`). The rules are those
of the other rooms; this one has none of its own, only people who answer as the scenario says (`cast`).
"""
