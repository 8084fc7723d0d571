//! Floor 5: the command line, one file a sub-command. Only here and in `main` is anything printed.
