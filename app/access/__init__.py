"""Who is asking, and with what right (EP-2, architecture part 7).

Holds keys, sessions, the table of rights and the edge every request passes: body, person, right, transaction. Deny by default.
"""
