"""The plan over the coming days, together with the people, rosters and stock that would have to carry it out (EP-10.3).

Exact: everything that can change is a list of stretches, and what is asked is reckoned on the moments at which
one of them ends, never on samples. Pure but for `standing`, which reads the database. It bounds when messages
are sent, not when people react, and it never changes anything.
"""
