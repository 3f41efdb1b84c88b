import h2client
from services import free_port, peer, start  # noqa: F401


def pytest_collection_modifyitems(config, items):
    if h2client.PROTOCOL == "h1":
        return
    left_out = [item for item in items if item.get_closest_marker("h1_only")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
