"""Commands, a module each: docstring, ``EXAMPLES``, ``add_arguments(parser)``, ``run(arguments)``.

They are listed here so that `micro --help` need not import them.
"""

#: What each command does, in the order of `micro --help`.
COMMANDS = {
    "all": "measure every probe and show the answer on one screen",
    "run": "measure one or several probes",
    "list": "list the probes and their parameters",
    "show": "print stored sessions again",
    "sessions": "list the stored sessions, the newest last",
    "compare": "compare two sessions, or one with its baseline",
    "doctor": "find what makes figures noisy here, and say what to do about it",
    "baseline": "record, list and prune the sessions to compare with",
    "table": "compare systems: one column for each",
    "report": "write an HTML report about systems",
    "plot": "draw curves as SVG or PNG",
    "explain": "show where an operation's nanoseconds go, function by function",
    "verify": "prove that probes measure what they say",
    "ab": "compare two ways to run micro, in interleaved blocks",
    "selftest": "measure how often the gate raises a false alarm, and what it finds",
    "help": "print a page of the documentation",
}
