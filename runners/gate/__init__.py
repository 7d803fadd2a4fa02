"""Has something become slower? A session against a baseline's, and two ways to run side by side.

Statistics alone: nothing here reads a file, prints, or knows a probe by name.
"""
