"""One file per sender, opening with an example payload: `parse(body, *, mapping=None) -> list[Signal]`.

Pure functions of the body: no database, no clock, no network. What cannot be understood is `NotUnderstood`,
and nothing else is ever raised, whatever JSON comes in.
"""
