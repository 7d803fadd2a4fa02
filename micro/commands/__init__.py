"""Commands, a module each: ``HELP``, ``ORDER``, ``add_arguments(parser)``, ``run(arguments)``."""
