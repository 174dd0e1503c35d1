"""One file a command of the command line.

Every module here named in ``backend.cli.COMMANDS`` has ``add_arguments(parser) -> None`` and
``run(arguments: argparse.Namespace) -> int`` (the exit status), and imports nothing heavy at its top, so that
``--help`` and ``serve`` start fast.
"""
