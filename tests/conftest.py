"""The order: a long test that starts last keeps everybody waiting."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
