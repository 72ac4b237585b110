"""Runs a management command, with embedded servers around it where none are configured."""


def execute(argv: list[str]) -> int:
    from django.core.management import execute_from_command_line

    execute_from_command_line(argv)
    return 0
