"""Users with everything that a login needs, and the steps of a login."""
import itertools
import json
import subprocess
import time
from urllib.parse import quote

import services
from browser import Browser, totp
from services import wait_until

STEP = 30  # seconds of TOTP
NUMBERS = itertools.count()
ROOM = 12  # seconds that a test has between reading the clock and the answer


class Person:
    """`secret` is None and `recovery_codes` are empty without TOTP."""

    def __init__(self, name, password):
        self.name, self.password, self.secret, self.recovery_codes = name, password, None, []

    def code(self, steps=0):
        return totp(self.secret, steps)

    def wrong_code(self):
        """Six digits that the app shows at no time near now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in (f"{n:06}" for n in range(111111, 999999)) if code not in near)


def tool(home, *args):
    done = subprocess.run([services.BUILD / "tests/support/login-tool", home.config_file, *args], capture_output=True, text=True,
                          timeout=services.PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def add_person(home, name=None, has_totp=True, is_disabled=False, flags=()):
    name = name or f"person{next(NUMBERS)}"
    person = Person(name, f"the password of {name}")
    home.add_user(name, person.password, flags=flags)
    if has_totp:
        person.secret, *person.recovery_codes = tool(home, "totp", name)
        for each in (person.secret, *person.recovery_codes):
            home.note_secret(each)
    if is_disabled:
        home.cardea("user", "disable", name)
    return person


def begun_session(home, name, ago, idle, lifetime):
    """The cookie of a session that began so many seconds ago."""
    return tool(home, "session", name, str(ago), str(idle), str(lifetime))[0]


def begun_login(home, name, ago):
    """The cookie of a half-finished login."""
    return tool(home, "pending", name, str(ago))[0]


def steady():
    """Waits until a step of TOTP has some time left, so that its neighbours stay what they are."""
    wait_until(lambda: time.time() % STEP < STEP - ROOM, "a step of TOTP to begin", ROOM + 2)


def at_login(browser, return_to=None):
    return browser.get("/login" + (f"?return_to={quote(return_to, safe='')}" if return_to is not None else ""))


def enter_password(browser, person, return_to=None, password=None, follow=True):
    page = at_login(browser, return_to)
    assert page.status == 200, page
    return browser.submit(page, "/login", username=person.name, password=password or person.password, follow=follow)


def enter_code(browser, page, code, follow=False, **fields):
    return browser.submit(page, "/totp", code=code, follow=follow, **fields)


def log_in(browser, person, return_to=None, **fields):
    """The answer to the last form: a redirect, which is not followed."""
    if person.secret is None:
        page = enter_password(browser, person, return_to, follow=False)
    else:
        page = enter_password(browser, person, return_to)
        assert page.path.endswith("/totp"), page
        page = enter_code(browser, page, person.code(), **fields)
    assert page.status == 303, page
    return page


def who(browser):
    """The name of the user that the browser is logged in as, or None."""
    answer = browser.get("/me", headers=[("Accept", "application/json")], follow=False)
    if answer.status == 200:
        return me(answer)["user"]
    assert answer.status == 401, answer
    return None


def assert_says_how_long(page):
    """A page of a lockout of one minute."""
    seconds = int(page.headers["Retry-After"])
    assert 1 <= seconds <= 60, page
    wait = "1 minute" if seconds == 60 else "1 second" if seconds == 1 else f"{seconds} seconds"
    assert page.error == f"Too many attempts. Try again in {wait}.", page


def me(answer):
    return json.loads(answer.body)


class BehindTls(Browser):
    """A browser of a portal whose URL is https, with a proxy in front that ends TLS."""

    def __init__(self, home, url="https://auth.example.com/_auth"):
        super().__init__(url)
        self.local = f"http://127.0.0.1:{home.port}"

    def call(self, url, *more):
        return super().call(url.replace(self.origin, self.local, 1), *more)
