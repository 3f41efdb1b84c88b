"""The example site without a login of its own: it says what the headers say, and shows nothing without them."""
import pytest

ANA = [("Remote-User", "ana"), ("Remote-Name", "Ana <b> & \"co\""), ("Remote-Groups", "staff,admins")]


@pytest.fixture
def site(start):
    return start("hello-site")


def test_a_request_that_names_no_user_is_refused(site):
    for headers in ([], [("Remote-User", "")], [("Remote-Name", "Ana"), ("Cookie", "a=1")]):
        answer = site.call("/", headers=headers)
        assert answer.status == 403 and b"Nobody is logged in" in answer.body and b"Ana" not in answer.body


def test_it_shows_who_it_was_told(site):
    answer = site.call("/notes/1?x=2", headers=ANA)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    for row in (b'<dd id="Remote-User">ana</dd>', b'<dd id="Remote-Groups">staff,admins</dd>', b'<dd id="Remote-Email">(empty)</dd>',
                b'<dd id="Cookie">(empty)</dd>'):
        assert row in answer.body
    assert site.wait_event("request", path="/notes/1")["user"] == "ana"


def test_a_header_stays_text(site):
    answer = site.call("/", headers=ANA)
    assert b"Hello, Ana &lt;b&gt; &amp; &quot;co&quot;</h1>" in answer.body
    assert b"<b>" not in answer.body
    large = site.call("/", headers=[("Remote-User", "ana"), ("Remote-Name", "<" * 8000)])
    assert large.status == 200 and b"<<" not in large.body
