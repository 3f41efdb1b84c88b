"""tools/compile-pages must refuse a page that could be read otherwise than it was written; what it accepts is tested in tests/unit/portal."""
import pathlib
import re
import runpy
import subprocess
import sys
import unittest.mock

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = """#include "portal/template.h"
struct row { cd_str label; };
struct cd_page_view { const struct cd_texts *texts; cd_str csrf; };
struct cd_page_bad {
        cd_str name; struct cd_page_url url; bool on; char *pointer;
        CD_PAGE_LIST(struct row) rows;
        struct { cd_str *items; int count; } odd;
};
void cd_page_bad(const struct cd_page_view *view, const struct cd_page_bad *fields, struct cd_buf *buf);
extern const struct cd_texts cd_texts[];
extern const size_t cd_texts_count;
"""


def compile_page(folder, page, *options, po=None, messages=None, name="bad.html"):
    """Exit status and messages of the build: of compile-pages or, where that accepts the page, of the C compiler."""
    (folder / name).write_text(page, encoding="utf-8")
    (folder / "bad.h").write_text(HEADER)
    for file, text, option in (("xx.po", po, "--po"), ("messages.h", messages, "--messages")):
        if text is not None:
            (folder / file).write_text(text, encoding="utf-8")
            options += (option, folder / file)
    tool = str(ROOT / "tools/compile-pages")
    with unittest.mock.patch.object(sys, "argv", [tool, "--header", "bad.h", *map(str, options), "--output", f"{folder}/bad.c", f"{folder}/{name}"]):
        try:
            runpy.run_path(tool, run_name="__main__")
        except SystemExit as refusal:
            return 1, f"{refusal.code}\n"
    done = subprocess.run(["gcc", "-std=gnu2x", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", folder, "-I", ROOT / "src",
                           folder / "bad.c"], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_good_page_is_compiled(tmp_path):
    page = """<!doctype html><p title="{{name}}" {{if on}}hidden{{end}}>{{name}}</p><a href="{{url}}/x">{{view.csrf}}</a>
        {{each rows as row}}{{row.label}}{{end}}<!-- no slot -->{{t "{count} row" "{count} rows" count=rows.count}}"""
    assert compile_page(tmp_path, page) == (0, "")


# A slot at each position where a browser would do more than show it.
MISPLACED = [
    ("<script>var x = {{name}};</script>", "<script>: pages have none"),
    ("<SCRIPT SRC=\"{{url}}\"></SCRIPT>", "<script>: pages have none"),
    ("<style>p { color: {{name}} }</style>", "<style>: pages have none"),
    ("<!-- {{name}} -->", "is in a comment"),
    ("<!-- {{if on}} -->{{end}}", "a block stands in text"),
    ("<p onclick=\"{{name}}\">", "onclick: pages have no such attribute"),
    ("<p\nOnMouseOver=\"f('{{name}}')\">", "onmouseover: pages have no such attribute"),
    ("<p style=\"width: {{name}}\">", "style: pages have no such attribute"),
    ("<p title={{name}}>", "title: the value of an attribute stands in double quotes"),
    ("<p title='{{name}}'>", "title: the value of an attribute stands in double quotes"),
    ("<p title = \"{{name}}\">", "an attribute is name=\"value\" or a name alone"),
    ("<p {{name}}>", "is in the tag <p>"),
    ("<p {{name}}=\"x\">", "is in the tag <p>"),
    ("<p data-{{name}}=\"x\">", "is in the tag <p>"),
    ("<{{name}}>", "a \"<\" begins a tag"),
    ("</{{name}}>", "a \"<\" begins a tag"),
    ("<p{{name}}>", "a \"<\" begins a tag"),
    ("<iframe srcdoc=\"{{name}}\"></iframe>", "<iframe>: pages have none"),
    ("<img srcset=\"{{name}}\">", "srcset: pages have no such attribute"),
    ("<meta http-equiv=\"refresh\" content=\"0;url={{name}}\">", "http-equiv: pages have no such attribute"),
    ("<base href=\"{{url}}\">", "<base>: pages have none"),
    ("<a href=\"https://{{url}}\">", "href: a URL begins with its slot"),
    ("<a href=\" {{url}}\">", "href: a URL begins with its slot"),
    ("<a href=\"{{url}}{{url}}\">", "href: a URL begins with its slot"),
    ("<a href=\"{{if on}}x{{end}}{{url}}\">", "href: a URL begins with its slot"),
    ("<a href=\"{{t \"https://example.com\"}}\">", "href: a URL is no text to translate"),
    ("<a href=\"{{lang}}\">", "href: a URL has a slot of its own type"),
    ("<![CDATA[{{name}}]]>", "a \"<\" begins a tag"),
    ("<?php {{name}} ?>", "a \"<\" begins a tag"),
    ("1 < 2", "a \"<\" begins a tag"),
    ("<p title=\"x\"y>", "an attribute is"),
]


@pytest.mark.parametrize("page, why", MISPLACED)
def test_a_slot_that_a_browser_would_not_just_show_fails_the_build(tmp_path, page, why):
    status, said = compile_page(tmp_path, "<p>\n</p>\n" + page)
    assert status != 0 and why in said
    assert re.search(r"bad\.html:[34]: ", said)


# What the C compiler says, with the line of the template.
UNKNOWN = [
    ("{{nmae}}", "has no member named ‘nmae’; did you mean ‘name’?"),
    ("{{if view.nothing}}{{end}}", "has no member named ‘nothing’"),
    ("<p title=\"{{view.crsf}}\">", "has no member named ‘crsf’"),
    ("{{t \"Hello {nobody}\"}}", "has no member named ‘nobody’"),
    ("{{t \"Hello {who}\" who=view.nobody}}", "has no member named ‘nobody’"),
    ("{{each row as item}}{{end}}", "has no member named ‘row’"),
    ("{{each rows as row}}{{row.lable}}{{end}}", "has no member named ‘lable’"),
    ("{{each name as row}}{{end}}", "has no member named ‘count’"),
    ("{{each odd as row}}{{end}}", "‘_Generic’ selector of type ‘int’ is not compatible"),
    ("{{pointer}}", "‘_Generic’ selector of type ‘char *’ is not compatible"),
    ("{{rows}}", "is not compatible with any association"),
    ("<a href=\"{{name}}\">", "‘_Generic’ selector of type ‘struct cd_str’"),
    ("<form action=\"{{view.csrf}}\">", "‘_Generic’ selector of type ‘struct cd_str’"),
    ("<img src=\"{{name}}.png\">", "‘_Generic’ selector of type ‘struct cd_str’"),
    ("<button formaction=\"{{on}}\">", "‘_Generic’ selector of type ‘_Bool’"),
]


@pytest.mark.parametrize("page, why", UNKNOWN)
def test_a_name_or_type_that_does_not_fit_fails_the_build(tmp_path, page, why):
    status, said = compile_page(tmp_path, "<p>\n</p>\n" + page)
    assert status != 0 and why in said and "bad.html:3:" in said, said


BROKEN = [
    ("{{if on}}", "has no {{end}}"),
    ("{{end}}", "{{end}} without its {{if}}"),
    ("{{else}}", "{{else}} without its {{if}}"),
    ("{{if on}}{{else}}{{else}}{{end}}", "{{else}} without its {{if}}"),
    ("{{each rows as row}}{{else}}{{end}}", "{{else}} without its {{if}}"),
    ("{{if on}}<p {{end}}>", "does not stand at the end of the block where it stood at its start"),
    ("<p {{if on}}title=\"{{else}}lang=\"{{end}}x\">", "does not stand at the end"),
    ("{{each rows as a}}{{each a.x as b}}{{each b.x as c}}{{end}}{{end}}{{end}}", "stands at most 2 deep"),
    ("{{each rows as view}}{{end}}", "view is the name"),
    ("{{each rows as row}}{{end}}{{row.label}}", "row"),
    ("{{each rows as row}}{{row}}{{end}}", "row: a struct has no text of its own"),
    ("{{name", "braces without their other half"),
    ("name}}", "braces without their other half"),
    ("{{Name}}", "is no name"),
    ("{{name | raw}}", "is no name"),
    ("{{}}", "is no name"),
    ("{{t \"{name}\" other=name}}", "the text has no {other}"),
    ("{{t \"one\" \"many\"}}", "says {count}"),
    ("{{t \"a\"}}{{t \"a\" \"{count} a\" count=rows.count}}", "has another plural"),
    ("{{include \"_bad.html\"}}", "includes itself"),
    ("<p title=\"", "ends in the middle"),
    ("<!-- ", "ends in the middle"),
]


@pytest.mark.parametrize("page, why", BROKEN)
def test_a_template_that_is_broken_fails_the_build(tmp_path, page, why):
    (tmp_path / "_bad.html").write_text('{{include "_bad.html"}}')
    status, said = compile_page(tmp_path, page)
    assert status != 0 and why in said, said


PO = 'msgid ""\nmsgstr ""\n"Language: xx\\n"\n"Plural-Forms: nplurals=2; plural=n != 1;\\n"\n\n'
TRANSLATIONS = [
    (PO.replace("n != 1", "system(n)"), "is no plural rule"),
    (PO.replace("nplurals=2", "nplurals=7"), "is no plural rule"),
    (PO.replace("Plural-Forms", "Plural"), "needs Plural-Forms"),
    (PO + 'msgid "Hello {name}"\nmsgstr "Hallo {nmae}"\n', "the translation has {nmae}"),
    (PO + 'msgid "{count} row"\nmsgid_plural "{count} rows"\nmsgstr[0] "{count} Zeile"\n', "has 1 plural forms where Plural-Forms says 2"),
    (PO + "msgstr oops\n", "xx.po:6: 'msgstr oops' is no line of a .po file"),
]


@pytest.mark.parametrize("po, why", TRANSLATIONS)
def test_a_translation_that_does_not_fit_fails_the_build(tmp_path, po, why):
    status, said = compile_page(tmp_path, '{{t "Hello {name}"}}{{t "{count} row" "{count} rows" count=rows.count}}', po=po)
    assert status != 0 and why in said, said


PLAIN = [
    ('{{t "a"}} {{name}} <b>{{url}}', None, 0, ""),  # no HTML, so nothing is escaped and nothing refused
    ('{{t "A & B"}}', None, 1, "an e-mail has none of &"),
    ('{{t "Hello {name}"}}', PO + 'msgid "Hello {name}"\nmsgstr "<b>{name}"\n', 1, 'xx: "Hello {name}": a text of an e-mail has none'),
    ("{{if on}}", None, 1, "has no {{end}}"),
    ("{{pointer}}", None, 1, "bad.txt:1"),
]


@pytest.mark.parametrize("mail, po, fails, why", PLAIN)
def test_an_email_is_plain_text(tmp_path, mail, po, fails, why):
    status, said = compile_page(tmp_path, mail, po=po, name="bad.txt")
    assert (status != 0) == bool(fails) and why in said, said


def test_a_message_has_no_slot_but_its_count(tmp_path):
    status, said = compile_page(tmp_path, "", messages='#define LIST(X) \\\n        X(WHO, "It was {name}.")\n')
    assert status != 0 and "WHO: a message has no slot but {count}" in said


def test_a_message_may_be_several_literals(tmp_path):
    header = '#define LIST(X) \\\n        X(ONE, "It was " \\\n          "long.") \\\n        X(TWO, "Short.")\n'
    (tmp_path / "messages.h").write_text(header)
    (tmp_path / "page.html").write_text('{{t "Hello"}}')
    subprocess.run([ROOT / "tools/compile-pages", "--pot", "--messages", tmp_path / "messages.h", "--output", tmp_path / "pot",
                    tmp_path / "page.html"], check=True)
    assert re.findall(r'^msgid "(.+)"$', (tmp_path / "pot").read_text(), re.M) == ["Hello", "It was long.", "Short."]


def test_the_translators_template_is_up_to_date(tmp_path):
    subprocess.run([ROOT / "dev", "texts", tmp_path], check=True, timeout=60)
    assert (tmp_path / "cardea.pot").read_text() == (ROOT / "po/cardea.pot").read_text(), "run ./dev texts"
