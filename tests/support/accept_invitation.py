"""Registers as a browser does with the link of an invitation, then prints what another URL of that host answers:
accept_invitation.py LINK URL"""
import pathlib
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "http")]
from portal.browser import Browser, secret_of, totp  # noqa: E402

link, url = sys.argv[1:]
browser = Browser(link.partition("/invite")[0])
page = browser.submit(browser.get(link), password="correct horse battery")
page = browser.submit(page, code=totp(secret_of(page)))
assert page.title == "Your recovery codes", page
print(browser.get(url).text, end="")
