"""What the providers received and answered: kept as JSON, and shown as a page. Secrets are shown: all of them are fake."""
import html
import json
import time
import urllib.parse

SHOWN_MAX = 4096  # characters of a body


def record(number, at, request, target, provider):
    body = request.body.decode("utf-8", "replace")
    return {"number": number, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)), "provider": provider, "method": request.method,
            "target": target, "path": request.path, "query": urllib.parse.parse_qsl(request.query_text, keep_blank_values=True),
            "headers": request.headers, "body": body, "form": list(request.form.items())}


def add_answer(entry, answer):
    entry.update(status=answer.status, answer_headers=answer.headers, answer_body=answer.body[:SHOWN_MAX].decode("utf-8", "replace"))


def page(records):
    if not records:
        return "<p>Nothing yet.</p>"
    return ('<p class="note">All that the fake providers received, the newest first: each request as it came, and what they answered. Secrets '
            'and tokens are shown, because they are worth nothing.</p>\n' + "".join(entry(item) for item in reversed(records)))


def entry(item):
    shown = [part("Query", item["query"]), part("Headers", item["headers"])]
    shown.append(part("Form", item["form"]) if item["form"] else text("Body", item["body"]))
    played = f", as told by the control endpoint: {item['played']}" if "played" in item else ""
    shown += [f"<h2>Answer {item['status']}{html.escape(played)}</h2>", part("Headers", item["answer_headers"]), text("Body", item["answer_body"])]
    return (f'<details id="request-{item["number"]}"><summary><b>{item["number"]}</b> {item["at"][11:19]} '
            f'{html.escape(item["method"])} {html.escape(item["path"])} → {item["status"]}</summary>\n{"".join(shown)}</details>\n')


def part(title, pairs):
    if not pairs:
        return ""
    rows = "".join(f"<tr><th scope=\"row\">{html.escape(name)}</th><td><code>{html.escape(value) or '(empty)'}</code></td></tr>\n"
                   for name, value in pairs)
    return f"<h2>{title}</h2>\n<table>{rows}</table>\n"


def text(title, body):
    if not body or body.lstrip().startswith("<"):
        return ""
    try:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        pass
    cut = "\n…" if len(body) >= SHOWN_MAX else ""
    return f'<h2>{title}</h2>\n<pre tabindex="0">{html.escape(body[:SHOWN_MAX])}{cut}</pre>\n'
