"""Which tests run, and their order: a long test that starts last keeps everybody waiting."""
import os


def pytest_collection_modifyitems(config, items):
    if os.environ.get("CARDEA_TABLES") == "first":
        leave_out_rows(config, items)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def leave_out_rows(config, items):
    """All rows of each `table` but the first."""
    seen, kept, left_out = set(), [], []
    for item in items:
        test = (item.path, item.originalname)
        is_more = item.get_closest_marker("table") is not None and test in seen
        (left_out if is_more else kept).append(item)
        seen.add(test)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept
