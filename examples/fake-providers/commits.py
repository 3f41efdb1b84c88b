"""Repositories with commits over the last year: always the same ones, with dates that end now."""
import dataclasses
import hashlib
import random
import time

DAY = 86400
# owner, name, private, commits, the hours of the day in which most of them are made, other authors' part
REPOSITORIES = [("octocat", "hello-world", False, 230, (9, 18), 0.1), ("octocat", "spoon-knife", False, 96, (19, 24), 0.3),
                ("octocat", "linguist", False, 61, (8, 12), 0.0), ("octocat", "git-consortium", False, 17, (0, 24), 0.0),
                ("octocat", "empty", False, 0, (0, 24), 0.0), ("octocat", "octo-secrets", True, 44, (21, 24), 0.0),
                ("mona", "paintings", False, 12, (10, 16), 0.0)]


@dataclasses.dataclass
class Commit:
    sha: str
    date: str  # "2026-02-03T04:05:06Z"
    author: str  # a login; "": an e-mail address that GitHub does not know
    message: str

    def description(self, url, users):
        user = users.get(self.author)
        signature = {"name": self.author or "Somebody", "email": f"{self.author or 'somebody'}@example.com", "date": self.date}
        return {"sha": self.sha, "html_url": f"{url}/commit/{self.sha}",
                "commit": {"message": self.message, "author": signature, "committer": signature, "comment_count": 0},
                "author": {"login": user["login"], "id": user["id"]} if user else None, "parents": []}


@dataclasses.dataclass
class Repository:
    owner: str
    name: str
    private: bool
    commits: list  # the newest first

    def description(self, url):
        pushed = self.commits[0].date if self.commits else None
        return {"id": int(hashlib.sha256(self.name.encode()).hexdigest()[:7], 16), "name": self.name,
                "full_name": f"{self.owner}/{self.name}", "private": self.private, "owner": {"login": self.owner},
                "html_url": f"{url}/{self.owner}/{self.name}", "fork": False, "pushed_at": pushed, "default_branch": "main"}


def make(now):
    return [Repository(owner, name, private, make_commits(now, owner, name, count, hours, others))
            for owner, name, private, count, hours, others in REPOSITORIES]


def make_commits(now, owner, name, count, hours, others):
    chance = random.Random(name)
    midnight = int(now) // DAY * DAY
    made = []
    for number in range(count):
        day = midnight - int(chance.triangular(1, 364, 40)) * DAY
        at = day + chance.randrange(hours[0] * 3600, hours[1] * 3600)
        author = "" if chance.random() < others else owner
        made.append(Commit(hashlib.sha1(f"{owner}/{name}/{number}".encode()).hexdigest(),
                           time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), author, f"Change number {number + 1}"))
    return sorted(made, key=lambda commit: commit.date, reverse=True)
