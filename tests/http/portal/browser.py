"""A browser without JavaScript: keeps cookies, follows redirects within the portal, and reads the forms of a page."""
import html.parser
import http.cookies
import re
import subprocess
import time
from urllib.parse import urlencode, urljoin, urlsplit

from services import call

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
HTML = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
REDIRECTS = 10


class Form:
    """`fields` are what a browser would send if nobody typed anything; `inputs` the attributes of the inputs by name."""

    def __init__(self, attributes):
        self.method, self.action = attributes.get("method", "get"), attributes.get("action", "")
        self.fields, self.inputs = {}, {}

    def add(self, attributes):
        name = attributes.get("name")
        if name is None or attributes.get("type") in ("submit", "button"):
            return
        self.inputs[name] = attributes
        if attributes.get("type") not in ("checkbox", "radio") or "checked" in attributes:
            self.fields[name] = attributes.get("value") or ""


class Reader(html.parser.HTMLParser):
    VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "path", "source", "wbr"}

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.texts, self.values, self.open = [], [], {}, {}, []
        self.h1 = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form(attributes))
        elif tag == "input":
            if self.forms and any(t == "form" for t, _ in self.open):
                self.forms[-1].add(attributes)
        elif tag == "a":
            self.links.append(attributes.get("href"))
        if "id" in attributes:
            self.texts[attributes["id"]] = ""
            self.values[attributes["id"]] = attributes.get("value")
        if tag not in self.VOID:
            self.open.append((tag, attributes.get("id")))

    def handle_startendtag(self, tag, attrs):
        if tag in self.VOID:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for tag, name in self.open:
            if name is not None:
                self.texts[name] += data
            if tag == "h1":
                self.h1 += data


class Page:
    """The last answer, after all redirects. `history` has the URLs and statuses on the way."""

    def __init__(self, url, answer, history):
        self.url, self.status, self.headers, self.body, self.history = url, answer.status, answer.headers, answer.body, history
        self.path = urlsplit(url).path
        self.text = answer.body.decode("utf-8", "replace")
        self.is_html = (answer.headers.get("Content-Type") or "").startswith("text/html")
        read = Reader(self.text if self.is_html else "")
        self.forms, self.links, self.texts, self.values, self.title = read.forms, read.links, read.texts, read.values, read.h1

    def form(self, action=None):
        """The form with that action, which may be the end of it ("/login"); without one, the only one of the page."""
        found = [f for f in self.forms if action is None or f.action == action or f.action.endswith(action)]
        assert len(found) == 1, f"{len(found)} forms {action} in {self}"
        return found[0]

    def text_of(self, name):
        """The text of the element with that id, without white space around it; None if there is none."""
        return self.texts[name].strip() if name in self.texts else None

    @property
    def error(self):
        return self.text_of("error")

    @property
    def location(self):
        return self.headers.get("Location")

    def __repr__(self):
        return f"{self.status} {self.url}\n{dict(self.headers)}\n{self.text[:6000]}"


class Browser:
    """`base` is the URL of the portal, `http://127.0.0.1:PORT/_auth`. `headers` are sent with every request. One request at a time; a second
    browser has cookies of its own, and `copy` is one with the same cookies."""

    def __init__(self, base, headers=()):
        self.base, self.headers = base, list(headers)
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
        self.cookies = {}  # by name
        self.set_cookies = []  # every Set-Cookie header that came, as text
        self.visited = []  # every URL that was asked for

    def copy(self):
        other = Browser(self.base, self.headers)
        other.cookies = dict(self.cookies)
        return other

    def get(self, path, headers=(), follow=True):
        """`path` is below the portal's URL ("/login"), or a complete URL."""
        return self.request("GET", path, None, headers, follow)

    def post(self, path, fields, headers=None, follow=True):
        """`fields`: a dict, pairs, or the body as bytes. `headers` replace those that a browser sends with a form of the portal's own."""
        body = fields if isinstance(fields, bytes) else urlencode(fields, errors="surrogateescape").encode()
        if headers is None:
            headers = [("Origin", self.origin), ("Sec-Fetch-Site", "same-origin")]
        return self.request("POST", path, body, [("Content-Type", "application/x-www-form-urlencoded"), *headers], follow)

    def submit(self, page, action=None, headers=None, follow=True, **fields):
        """Sends the page's form with that action; `fields` are what was typed. A field that the form lacks is a mistake of the test."""
        form = page.form(action)
        assert form.method.lower() == "post", form.method
        unknown = set(fields) - set(form.inputs)
        assert not unknown, f"the form has no {unknown}: {page}"
        return self.post(urljoin(page.url, form.action), {**form.fields, **fields}, headers, follow)

    def request(self, method, path, body=None, headers=(), follow=True):
        url = path if "://" in path else self.base + path
        history = []
        while True:
            self.visited.append(url)
            answer = self.call(url, method, self._headers(headers), body)
            self._keep(answer)
            target = urljoin(url, answer.headers.get("Location") or "")
            if not follow or answer.status not in (302, 303) or not target.startswith(self.origin + "/"):
                return Page(url, answer, history)
            history.append((answer.status, url))
            assert len(history) <= REDIRECTS, f"a redirect loop: {history}"
            url, method, body, headers = target, "GET", None, ()

    def call(self, url, method, headers, body):
        return call(url, method, headers, body)

    def _headers(self, headers):
        given = {name.lower() for name, _ in [*headers, *self.headers]}
        own = [("User-Agent", AGENT), ("Accept", HTML), ("Accept-Language", "en")]
        if self.cookies:
            own.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items())))
        return [*(pair for pair in own if pair[0].lower() not in given), *self.headers, *headers]

    def _keep(self, answer):
        for text in answer.headers.get_all("Set-Cookie") or []:
            self.set_cookies.append(text)
            for name, morsel in http.cookies.SimpleCookie(text).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


def secret_of(page):
    """The TOTP secret that a page of the enrolment shows, in base32."""
    text = page.text_of("secret")
    assert text and re.fullmatch(r"([A-Z2-7]{4} )*[A-Z2-7]{1,4}", text), page
    return text.replace(" ", "")


def totp(secret, steps=0):
    """The code that an app shows now, or `steps` of 30 s later (negative: earlier), by oathtool."""
    # Of the clock that the server reads: oathtool's own may lag by some milliseconds, since time(2) returns that of the last tick.
    when = f"@{int(time.time()) + steps * 30}"
    done = subprocess.run(["oathtool", "--totp", "-b", "--now", when, "-"], input=secret, capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
