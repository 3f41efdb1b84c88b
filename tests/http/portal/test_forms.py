"""What a form of the portal must not take: one that another site has sent, and one that is malformed."""
from urllib.parse import quote

import pytest

from logins import add_person, at_login, enter_code, enter_password, log_in, who

FORM = ("Content-Type", "application/x-www-form-urlencoded")
EXPIRED = "This form had expired, and nothing was changed. Send it again."
FOREIGN = "The form was sent from another site, so it was refused."
MISSING = "Fill in every field."
INVALID = "The form could not be read. Send it again."
LIMIT = 64 * 1024  # bytes of a body: limits.body


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"factors": ["password"]})
    home.serve()
    return home


@pytest.fixture(scope="module")
def with_codes(install_module):
    home = install_module(lockout={"account_attempts": 1000, "address_attempts": 1000000})
    home.serve()
    return home


@pytest.fixture(scope="module")
def ana(home):
    return add_person(home, has_totp=False)


def own_origin(home):
    return ("Origin", home.issuer)


def fields_of(browser, person):
    """What a login sends, with the token of this browser."""
    return {**at_login(browser).form("/login").fields, "username": person.name, "password": person.password}


def send(browser, fields, headers=None):
    return browser.post("/login", fields, headers, follow=False)


def assert_refused(browser, answer, status, error):
    assert (answer.status, answer.error) == (status, error), answer
    assert "cardea_session" not in browser.cookies and who(browser) is None


# ---- cross-site requests ----


def test_the_form_of_the_page_is_taken(home, ana):
    browser = home.browser()
    assert send(browser, fields_of(browser, ana)).status == 303
    assert who(browser) == ana.name


@pytest.mark.parametrize("csrf", [None, "", "x", "A" * 43])
def test_a_form_without_the_token_is_refused_and_can_be_sent_again(home, ana, csrf):
    browser = home.browser()
    fields = {**fields_of(browser, ana), "csrf": csrf}
    answer = send(browser, {name: value for name, value in fields.items() if value is not None})
    assert_refused(browser, answer, 403, EXPIRED)
    assert browser.submit(answer, "/login", username=ana.name, password=ana.password, follow=False).status == 303


def test_the_token_of_another_browser_is_refused(home, ana):
    browser, other = home.browser(), home.browser()
    at_login(browser)
    assert_refused(browser, send(browser, fields_of(other, ana)), 403, EXPIRED)


@pytest.mark.parametrize("cookie", [None, "", "x", "A" * 43, "A" * 44])
def test_the_token_is_nothing_without_its_cookie(home, ana, cookie):
    browser = home.browser()
    fields = fields_of(browser, ana)
    del browser.cookies["cardea_form"]
    if cookie is not None:
        browser.cookies["cardea_form"] = cookie
    assert_refused(browser, send(browser, fields), 403, EXPIRED)


def test_the_token_is_kept_so_that_two_tabs_work(home, ana):
    browser = home.browser()
    first, second = fields_of(browser, ana), fields_of(browser, ana)
    assert first["csrf"] == second["csrf"]
    assert send(browser, first).status == 303
    assert send(browser, second).status == 303


def test_the_tokens_of_browsers_differ_and_are_not_the_cookie(home, ana):
    browsers = [home.browser(), home.browser()]
    tokens = [fields_of(browser, ana)["csrf"] for browser in browsers]
    assert len({*tokens, *(browser.cookies["cardea_form"] for browser in browsers)}) == 4


@pytest.mark.parametrize("headers", [
    [("Origin", "https://evil.example")],
    [("Origin", "null")],
    [("Origin", "null"), ("Sec-Fetch-Site", "same-origin")],
    [("Origin", "")],
    [("Sec-Fetch-Site", "cross-site")],
    [("Sec-Fetch-Site", "same-site")],
    [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")],
    "doubled", "with path", "other port"])
def test_a_form_of_another_origin_is_refused(home, ana, headers):
    browser = home.browser()
    special = {"doubled": [own_origin(home), ("Origin", "https://evil.example")], "with path": [("Origin", home.issuer + "/")],
               "other port": [("Origin", f"http://127.0.0.1:{home.port + 1}")]}
    headers = special[headers] if isinstance(headers, str) else headers
    assert_refused(browser, send(browser, fields_of(browser, ana), headers), 403, FOREIGN)


def reason_of(home, answer):
    return home.servers[0].wait_event("request", request_id=answer.headers["X-Request-Id"])["reason"]


@pytest.mark.parametrize("headers, reason", [
    ([("Origin", "https://auth.example.com")],
     'the form came from "https://auth.example.com", and the origin of portal.url is "{own}"'),
    ([("Origin", "null")], 'the form came from "null", and the origin of portal.url is "{own}"'),
    ([("Origin", "")], 'the form came from "", and the origin of portal.url is "{own}"'),
    ([("Origin", "https://" + "a" * 192)],
     'the form came from "https://' + "a" * 192 + '", and the origin of portal.url is "{own}"'),
    ([("Origin", "https://" + "a" * 193)],
     'the form came from "https://' + "a" * 192 + '…", and the origin of portal.url is "{own}"'),
    ([("Sec-Fetch-Site", "same-site")], 'the form came from another origin: Sec-Fetch-Site is "same-site"'),
    ([("Origin", "https://a.example"), ("Origin", "https://a.example")],
     "the form has more than one Origin or Sec-Fetch-Site"),
])
def test_the_log_says_which_origin_a_form_came_from(home, ana, headers, reason):
    """A wrong portal.url is found by it."""
    browser = home.browser()
    answer = send(browser, fields_of(browser, ana), headers)
    assert answer.status == 403 and reason_of(home, answer) == reason.format(own=home.issuer)


@pytest.mark.parametrize("headers", [[], [("Sec-Fetch-Site", "same-origin")], [("Sec-Fetch-Site", "none")], "origin"])
def test_an_old_browser_that_does_not_say_its_origin_is_fine(home, ana, headers):
    browser = home.browser()
    headers = [own_origin(home)] if headers == "origin" else headers
    assert send(browser, fields_of(browser, ana), headers).status == 303


def test_the_second_page_and_logging_out_are_protected_too(with_codes):
    ana, browser = add_person(with_codes), with_codes.browser()
    page = enter_password(browser, ana)
    evil = [("Origin", "https://evil.example")]
    for path, field, value in (("/totp", "code", ana.code()), ("/recovery", "recovery_code", ana.recovery_codes[0])):
        answer = browser.post(path, {**page.form("/totp").fields, field: value}, evil, follow=False)
        assert (answer.status, answer.error) == (403, FOREIGN), answer
        answer = browser.post(path, {field: value}, follow=False)
        assert (answer.status, answer.error) == (403, EXPIRED), answer
        assert who(browser) is None
    assert enter_code(browser, page, ana.code()).status == 303, "the code was not spent"
    csrf = browser.get("/logout").form("/logout").fields["csrf"]
    assert browser.post("/logout", {"csrf": csrf}, evil, follow=False).status == 403
    assert browser.post("/logout", {"csrf": "x"}, follow=False).status == 403
    assert browser.post("/logout", {}, follow=False).status == 403
    assert who(browser) == ana.name


# ---- malformed forms ----


def written(fields, name=None, raw=b""):
    """The body, in which one field has a value as it stands."""
    return b"&".join(quote(key).encode() + b"=" + (raw if key == name else quote(value, safe="").encode()) for key, value in fields.items())


FIELDS = ["username", "password", "csrf", "return_to"]
BAD = {"NUL": b"a%00b", "invalid UTF-8": b"a%ff%feb", "half a character": b"%e2%82", "percent": b"a%zz", "cut percent": b"a%4",
       "raw byte": b"a\xffb", "control": b"a%07b", "long": b"x" * 5000}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_malformed_is_refused(home, ana, name, kind):
    browser = home.browser()
    answer = send(browser, written({**fields_of(browser, ana), "return_to": "/"}, name, BAD[kind]))
    assert_refused(browser, answer, 400, INVALID)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_comes_twice_is_refused(home, ana, name):
    browser = home.browser()
    fields = {**fields_of(browser, ana), "return_to": "/"}
    answer = send(browser, written(fields) + f"&{name}={quote(fields[name], safe='')}".encode())
    assert_refused(browser, answer, 400, INVALID)


@pytest.mark.parametrize("name", ["username", "password"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_field_that_is_missing_is_asked_for(home, ana, name, how):
    browser = home.browser()
    fields = fields_of(browser, ana)
    fields[name] = ""
    if how == "missing":
        del fields[name]
    answer = send(browser, fields)
    assert_refused(browser, answer, 400, MISSING)
    assert answer.values["username"] == fields.get("username", "")


@pytest.mark.parametrize("factor, path", [("code", "/totp"), ("recovery_code", "/recovery")])
def test_the_codes_are_read_as_strictly(with_codes, factor, path):
    ana, browser = add_person(with_codes), with_codes.browser()
    enter_password(browser, ana)
    page = browser.get(path)
    fields = page.form(path).fields
    good = ana.code() if factor == "code" else ana.recovery_codes[0]
    for raw in ("", "%00", "%ff", "x" * 5000, good + "%00", f"{good}&{factor}={good}"):
        answer = browser.post(path, written({**fields, factor: ""}, factor, raw.encode()), follow=False)
        assert answer.status in (400, 401) and answer.error, (raw[:20], answer)
        assert "cardea_session" not in browser.cookies
    answer = browser.post(path, {k: v for k, v in fields.items() if k != factor}, follow=False)
    assert (answer.status, answer.error) == (400, MISSING), answer
    assert browser.post(path, {**fields, factor: good}, follow=False).status == 303, "none of these has spent it"


def test_fields_that_are_not_known_are_passed_over(home, ana):
    browser = home.browser()
    fields = {**fields_of(browser, ana), "remember_me": "on", "submit": "Log in", "": "", "x" * 100: "y" * 1000}
    assert send(browser, fields).status == 303


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", None,
                                  "application/x-www-form-urlencodedx"])
def test_another_content_type_is_refused(home, ana, kind):
    browser = home.browser()
    body = written(fields_of(browser, ana))
    answer = browser.request("POST", "/login", body, [own_origin(home), *([("Content-Type", kind)] if kind else [])], follow=False)
    assert answer.status in (400, 415), answer
    assert answer.is_html and answer.error == INVALID, answer
    assert who(browser) is None


@pytest.mark.parametrize("kind", ["Application/X-WWW-Form-URLEncoded", "application/x-www-form-urlencoded; charset=UTF-8"])
def test_a_content_type_may_be_written_otherwise(home, ana, kind):
    browser = home.browser()
    body = written(fields_of(browser, ana))
    answer = browser.request("POST", "/login", body, [own_origin(home), ("Content-Type", kind)], follow=False)
    assert answer.status == 303, answer


@pytest.mark.parametrize("size, status", [(LIMIT, 303), (LIMIT + 1, 413)])
def test_a_body_has_a_limit(home, ana, size, status):
    browser = home.browser()
    body = written(fields_of(browser, ana))
    body += b"&rest=" + b"x" * (size - len(body) - 6)
    assert send(browser, body).status == status


def test_a_form_in_the_query_is_none(home, ana):
    browser = home.browser()
    query = written(fields_of(browser, ana)).decode()
    answer = browser.post(f"/login?{query}", b"", follow=False)
    assert_refused(browser, answer, 403, EXPIRED)


def test_a_name_of_html_is_shown_as_text(home):
    browser = home.browser()
    hostile = "\"><script>alert(1)</script><img src=x onerror='alert(1)'>"
    page = browser.submit(at_login(browser), username=hostile, password="x")
    assert page.values["username"] == hostile
    assert "<script" not in page.text and "<img" not in page.text


def test_no_form_logs_in_by_get(home, ana):
    browser = home.browser()
    query = written(fields_of(browser, ana)).decode()
    assert browser.get(f"/login?{query}").status == 200
    assert "cardea_session" not in browser.cookies
    assert log_in(browser, ana).status == 303
