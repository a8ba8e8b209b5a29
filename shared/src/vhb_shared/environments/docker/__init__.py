"""The docker environment: each backend in a container of its own.

`environment` implements the contract; `containers` says what a container is given, `images` which image it is,
`derived` adds packages to it, `ending` says how it ended, `owners` whose it is, `engine` asks the engine in threads.
"""
