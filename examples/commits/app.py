"""Your commits at GitHub: a Flask application behind Cardea's gate, without a login, a secret or a line of OAuth.

uWSGI runs it. The gate sends the user in REMOTE_USER and, because its route says `pass_token: github`, the user's access token
for the GitHub API in CARDEA_PROVIDER_TOKEN: variables that no client can set. Nobody but the gate may reach uWSGI's socket.

GITHUB_API in the environment is the address of the API if it is not https://api.github.com.
"""
import collections
import datetime
import os
import zoneinfo

from flask import Flask, render_template, request, send_from_directory

from github_api import GitHub, Problem
from plots import bar_chart

WEEKS = 53
API = os.environ.get("GITHUB_API", "https://api.github.com")
PORTAL = os.environ.get("PORTAL_PATH", "/_auth")
LEDGER = os.environ.get("LEDGER_URL")  # of the demo: where to read what the fake GitHub received
STATUS = {"none": 403, "token": 403, "limit": 503, "down": 503, "answer": 502}
app = Flask(__name__, template_folder=".", static_folder=None)


@app.get("/")
def commits():
    token = request.environ.get("CARDEA_PROVIDER_TOKEN")
    if not token:
        raise Problem("none")
    zone, is_known = find_zone(request.args.get("zone", "UTC").strip())
    today = datetime.datetime.now(zone).date()
    monday = today - datetime.timedelta(days=today.weekday(), weeks=WEEKS - 1)
    since = datetime.datetime.combine(monday, datetime.time(), zone).astimezone(datetime.timezone.utc)
    login, found, is_cut = GitHub(API, token).commits(f"{since:%Y-%m-%dT%H:%M:%SZ}")
    found = [commit._replace(at=commit.at.astimezone(zone)) for commit in found]
    return render_template("commits.html", login=login, count=len(found), is_cut=is_cut, repositories=by_repository(found), zone=zone,
                           zones=sorted(zoneinfo.available_timezones()), unknown_zone=None if is_known else request.args["zone"], since=monday,
                           weeks=by_week(found, monday) if found else None, hours=by_hour(found) if found else None, **shared())


def find_zone(name):
    """A time zone, and whether there is one of that name."""
    try:
        return (zoneinfo.ZoneInfo(name) if name and name != "UTC" else datetime.timezone.utc), True
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.timezone.utc, False


def by_repository(found):
    """The ones with most commits first."""
    repositories = collections.defaultdict(list)
    for commit in found:
        repositories[commit.repository, commit.url].append(commit.at)
    rows = [{"name": name, "url": url, "count": len(times), "first": min(times), "last": max(times)} for (name, url), times in repositories.items()]
    return sorted(rows, key=lambda row: (-row["count"], row["name"]))


def by_week(found, monday):
    counts = collections.Counter((commit.at.date() - monday).days // 7 for commit in found)
    bars, month = [], monday.month
    for number in range(WEEKS):
        day = monday + datetime.timedelta(weeks=number)
        is_new, month = day.month != month, day.month
        bars.append((f"Week of {day.day} {day:%B %Y}", f"{day:%b}" if is_new else "", day.month % 3 != 1, counts[number]))
    return {"plot": bar_chart("weeks", "Commits by week", bars), "bars": bars}


def by_hour(found):
    counts = collections.Counter(commit.at.hour for commit in found)
    bars = [(f"{hour:02}:00 to {hour:02}:59", str(hour) if hour % 3 == 0 else "", hour % 6 != 0, counts[hour]) for hour in range(24)]
    return {"plot": bar_chart("hours", "Commits by hour of the day", bars), "bars": bars}


def shared():
    return {"user": request.environ["REMOTE_USER"], "portal": PORTAL, "ledger": LEDGER}


@app.errorhandler(Problem)
def show_problem(problem):
    app.logger.warning("no commits for %s: %s %s", request.environ["REMOTE_USER"], problem.reason, problem.detail)
    retry = datetime.datetime.fromtimestamp(problem.retry_at, datetime.timezone.utc) if problem.retry_at else None
    return render_template("problem.html", reason=problem.reason, retry=retry, **shared()), STATUS[problem.reason]


@app.get("/style.css")
def style():
    return send_from_directory(app.root_path, "style.css", max_age=3600)


@app.after_request
def protect(response):
    response.headers["Content-Security-Policy"] = ("default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
                                                   "base-uri 'none'")
    response.headers.setdefault("Cache-Control", "no-store")
    return response
