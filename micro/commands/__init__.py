"""The commands, a module each: ``HELP``, ``ORDER``, ``add_arguments(parser)`` and ``run(arguments)``."""
