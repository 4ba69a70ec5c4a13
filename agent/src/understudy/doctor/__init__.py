"""`understudy doctor`: is everything on this server as it should be, and if not, what to do. Looks, never changes.

`look` asks and reads (thin I/O) and makes a `Seen`; `machine` and `work` judge it, each check a pure function.
"""
