"""A user's commits of the last year, from the GitHub API with the user's token."""
import collections
import concurrent.futures
import datetime
import http.client
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 10  # seconds for each call
ANSWER_MAX = 16 * 1024 * 1024  # bytes
REPOSITORIES_MAX = 100  # those with the newest changes
PAGES_MAX = 10  # of 100 commits, in each repository
AT_ONCE = 4  # calls

Commit = collections.namedtuple("Commit", "repository url at")  # at: a datetime in UTC


class Problem(Exception):
    """Why there are no commits to show; `retry_at`: when it may be better (Unix time)."""
    def __init__(self, reason, detail="", retry_at=None):
        super().__init__(detail)
        self.reason, self.detail, self.retry_at = reason, detail, retry_at


class GitHub:
    def __init__(self, url, token):
        self.url, self.token = url.rstrip("/"), token
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise Problem("token")
        self.opener = urllib.request.build_opener(StayHere(self.url))

    def commits(self, since):
        """(login, commits, whether there are more than were read)"""
        try:
            return self.read_commits(since)
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError, http.client.HTTPException) as error:
            raise Problem("answer", f"what {self.url} answered is not as documented: {error!r}") from error

    def read_commits(self, since):
        user, _ = self.call("/user")
        login = user["login"]
        repositories, is_cut = self.all_of("/user/repos", {"sort": "pushed"}, REPOSITORIES_MAX // 100)
        repositories = [entry for entry in repositories if (entry["pushed_at"] or "") >= since]

        def read(entry):
            return entry, *self.all_of(f"/repos/{urllib.parse.quote(entry['full_name'])}/commits", {"author": login, "since": since}, PAGES_MAX)

        commits = []
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for entry, found, is_more in pool.map(read, repositories):
                is_cut |= is_more
                commits += [Commit(entry["full_name"], entry["html_url"], parse_time(item["commit"]["author"]["date"])) for item in found]
        return login, commits, is_cut

    def all_of(self, path, query, pages):
        """Follows the Link header. An empty or blocked repository has no commits."""
        items, url = [], f"{path}?{urllib.parse.urlencode({**query, 'per_page': 100})}"
        for _ in range(pages):
            page, url = self.call(url, nothing=[])
            items += page
            if not url:
                return items, False
        return items, True

    def call(self, path, nothing=None):
        """The answer to one call, and the path of the next page. 404, 409 and 451 give `nothing`, if it is set."""
        request = urllib.request.Request(self.url + path, headers={
            "Authorization": f"Bearer {self.token}", "Accept": "application/vnd.github+json", "User-Agent": "cardea-example-commits"})
        try:
            with self.opener.open(request, timeout=TIMEOUT) as answer:
                value = json.loads(answer.read(ANSWER_MAX))
                if not isinstance(value, dict if nothing is None else list):
                    raise TypeError(type(value))
                return value, self.next_page(answer.headers.get("Link", ""))
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 409, 451) and nothing is not None:
                    return nothing, None
                raise problem_of(error) from None
        except OSError as error:  # not resolved, not connected, TLS failed, too slow, ended without an answer
            raise Problem("down", str(getattr(error, "reason", error))) from error

    def next_page(self, link):
        """The token goes to no other address."""
        match = re.search(r'<([^>]*)>;\s*rel="next"', link)
        return match[1].removeprefix(self.url) if match and match[1].startswith(self.url + "/") else None


class StayHere(urllib.request.HTTPRedirectHandler):
    """A renamed repository answers with a redirect; urllib would carry the token wherever it leads."""
    def __init__(self, url):
        self.url = url

    def redirect_request(self, request, file, code, message, headers, target):
        return super().redirect_request(request, file, code, message, headers, target) if target.startswith(self.url + "/") else None


def problem_of(error):
    wait, remaining = error.headers.get("Retry-After", ""), error.headers.get("X-RateLimit-Remaining")
    if error.code in (403, 429) and (wait.isdigit() or remaining == "0" or error.code == 429):
        reset = error.headers.get("X-RateLimit-Reset", "")
        return Problem("limit", retry_at=time.time() + int(wait) if wait.isdigit() else int(reset) if reset.isdigit() else None)
    if error.code == 401:
        return Problem("token")
    return Problem("down" if error.code >= 500 else "answer", f"HTTP status {error.code}")


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
