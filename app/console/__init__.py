"""Pages for people: reads, and calls what the routes call. Has no rules of its own, and works without the internet.

Server-rendered; every form works without a script. A refused form comes back with the reason and all that was typed.
"""
