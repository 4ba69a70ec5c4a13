"""Hostile input for the recorder's readers: what a camera or a damaged disk may send, and what must hold then.

`targets` says what is read and what must hold, `edits` how inputs are changed, `seeds` where they begin. The command
is `python -m fuzz --seconds N`; `test_fuzz.py` does the same with hypothesis, for as long as a test run may take.
"""
