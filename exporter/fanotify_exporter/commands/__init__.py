"""
The commands, one module each. Only this package may import all other parts.

Each module has ``add_flags(parser)``, which returns the function that builds the
command's options from parsed values, and ``run(options)``, which returns the exit
status.
"""
