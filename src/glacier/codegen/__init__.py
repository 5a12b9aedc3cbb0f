"""What prints a blueprint: a package or module per target, each `files(blueprint, ...) -> {path: text}`; no I/O."""
