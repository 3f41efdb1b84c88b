from services import free_port, peer, start  # noqa: F401
