from serving import launch, server  # noqa: F401
