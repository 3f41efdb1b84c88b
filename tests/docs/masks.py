"""What a page's sample and the real output may differ in, and nothing else: each entry says why.

Within a page's sample, "…" stands for any text: what is too long to show, or differs each time."""
import re

# In texts: (pattern, what it becomes, why it differs).
TEXT = (
    (r"fingerprint [0-9a-f]{8}", "fingerprint *", "keyed with the master key, which each run makes anew"),
    (r"\bkid [\w-]{43}", "kid *", "the thumbprint of a key that each run makes anew"),
    (r"(?<=\?token=)[\w-]{43}", "*", "a random token of a link"),
    (r"[ \t]+", " ", "the width of a column follows from the longest value, and ports and folders differ"),
)

# In JSON: the member's name, what its value must look like, why it differs.
MEMBERS = {
    "token": (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "signed, with its time and id"),
    "access_token": (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "signed, with its time and id"),
    "exp": (r"\d{10}", "a time"),
    "iat": (r"\d{10}", "a time"),
    "auth_time": (r"\d{10}", "a time"),
    "jti": (r"[\w.-]{20,}", "a random id"),
    "ts": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "a time"),
    "created_at": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time"),
    "changed_at": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time"),
    "password_at": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time"),
    "last_login_at": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time"),
    "current_time": (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a time"),
    "span_id": (r"[0-9a-f]{16}", "a random id"),
    "duration_us": (r"\d+", "a time"),
    "request_id": (r"[0-9a-f]{32}", "a random id"),
    "trace_id": (r"[0-9a-f]{32}", "a random id"),
}


def text(value):
    """The lines of a text, masked."""
    for pattern, instead, _ in TEXT:
        value = re.sub(pattern, instead, value)
    return [line.strip() for line in value.splitlines()]


def _is_like(sample, real):
    """Whether a string is the sample's, whose … stand for any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in sample.split("…")), real, re.S) is not None


def is_text(sample, real):
    """Whether a text is the sample's, line by line."""
    shown, printed = text(sample), text(real)
    return len(shown) == len(printed) and all(map(_is_like, shown, printed))


def is_same(sample, real, name=None):
    """Whether a value is the sample's but for the masks. Members stand in the same order."""
    if type(sample) is not type(real):
        return False
    if isinstance(sample, dict):
        return list(sample) == list(real) and all(is_same(sample[key], real[key], key) for key in sample)
    if isinstance(sample, list):
        return len(sample) == len(real) and all(map(is_same, sample, real))
    if name in MEMBERS and sample is not None:
        looks = MEMBERS[name][0]
        shown = str(sample)
        return re.fullmatch(looks, str(real)) is not None and ("…" in shown or re.fullmatch(looks, shown) is not None)
    return _is_like(sample, real) if isinstance(sample, str) else sample == real


def unmatched(samples, real):
    """The samples that none of the real values is, and the real values that no sample is. In any order: that of lines which several programs
    write is nobody's promise."""
    missing = []
    real = list(real)
    for sample in samples:
        found = next((value for value in real if is_same(sample, value)), None)
        if found is None:
            missing.append(sample)
        else:
            real.remove(found)
    return missing, real
