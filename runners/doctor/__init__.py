"""What about this machine makes figures noisy, incomparable or short, and what to do about it.

A module a source of findings: settings and limits that can be read, a look at the CPUs through the
sentinel, and what went on meanwhile.
"""
