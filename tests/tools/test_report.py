"""tools/test-report: what it counts is what the last line of ./dev test says."""
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

CMOCKA = """[==========] tests: Running 3 test(s).
[ RUN      ] one_that_works
[       OK ] one_that_works
[ RUN      ] one_that_is_left_out
[  SKIPPED ] one_that_is_left_out
[ RUN      ] one_that_breaks
%s[==========] tests: 3 test(s) run.
"""


def report(folder, *options):
    done = subprocess.run([ROOT / "tools/test-report", *options, folder], capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout.splitlines()


def write_meson(folder, *tests):
    (folder / "unit.json").write_text("".join(json.dumps(test) + "\n" for test in tests))


def program(result, stdout="", name="str"):
    return {"name": name, "result": result, "stdout": stdout}


def test_each_cmocka_case_counts(tmp_path):
    write_meson(tmp_path, program("FAIL", CMOCKA % "[  FAILED  ] one_that_breaks\n"), program("OK"))
    status, lines = report(tmp_path)
    assert status == 1
    assert lines == ["failed: str: one_that_breaks", "2 passed, 1 failed, 1 skipped"]


def test_a_crash_in_the_middle_is_a_failure_of_the_case_that_ran(tmp_path):
    write_meson(tmp_path, program("FAIL", CMOCKA.split("%s")[0]))
    assert report(tmp_path)[1][0] == "failed: str: one_that_breaks"


def test_a_sanitizer_report_after_the_last_case_is_a_failure(tmp_path):
    write_meson(tmp_path, program("FAIL", "[ RUN      ] a\n[       OK ] a\nERROR: LeakSanitizer\n"))
    status, lines = report(tmp_path)
    assert status == 1
    assert lines == ["failed: str: fail", "1 passed, 1 failed"]


def test_a_program_that_skips_itself_counts_as_skipped(tmp_path):
    write_meson(tmp_path, program("SKIP", "no vectors\n"), program("OK"))
    assert report(tmp_path) == (0, ["1 passed, 0 failed, 1 skipped"])


def test_junit_and_checks_are_added(tmp_path):
    (tmp_path / "http.xml").write_text(
        '<testsuites><testsuite><testcase classname="t" name="a"/><testcase classname="t" name="b"><failure>no</failure>'
        '</testcase><testcase classname="t" name="c"><skipped/></testcase></testsuite></testsuites>')
    (tmp_path / "lint.check").write_text("0\n")
    (tmp_path / "clang.check").write_text("1\n")
    (tmp_path / "clang.log").write_text("it does not compile\n")
    assert report(tmp_path) == (1, ["failed: clang", "failed: t::b", "2 passed, 2 failed, 1 skipped"])
    assert report(tmp_path, "--step", "clang")[1][-1] == "it does not compile"


def test_a_step_says_how_long_it_took(tmp_path):
    (tmp_path / "lint.check").write_text("0\n")
    assert report(tmp_path, "--step", "lint") == (0, ["lint             1 passed, 0 failed"])
    (tmp_path / "lint.time").write_text("12.4 3.1 0.8\n")
    assert report(tmp_path, "--step", "lint") == (0, ["lint             1 passed, 0 failed   12 s, 4 s of processor"])
    assert report(tmp_path) == (0, ["1 passed, 0 failed"])


def junit(**outcomes):
    """A file with one test for each: None if it passed, else its output."""
    cases = "".join(f'<testcase classname="t" name="{name}">' + (f"<failure>{output}</failure>" if output else "") + "</testcase>"
                    for name, output in outcomes.items())
    return f"<testsuites><testsuite>{cases}</testsuite></testsuites>"


def test_what_passes_alone_is_unsteady_and_named(tmp_path):
    (tmp_path / "http.xml").write_text(junit(a=None, b="late", c="wrong"))
    (tmp_path / "http.again").write_text(junit(b=None, c="wrong"))
    assert report(tmp_path) == (1, ["unsteady: t::b", "failed: t::c", "2 passed, 1 failed"])
    assert "--- unsteady, it failed and then passed alone: t::b" in report(tmp_path, "--step", "http")[1]
    (tmp_path / "http.again").write_text(junit(b=None, c=None))
    assert report(tmp_path) == (0, ["unsteady: t::b", "unsteady: t::c", "3 passed, 0 failed"])


def test_what_did_not_run_again_has_failed(tmp_path):
    (tmp_path / "http.xml").write_text(junit(a="late"))
    (tmp_path / "http.again").write_text(junit())
    assert report(tmp_path) == (1, ["failed: t::a", "0 passed, 1 failed"])


def test_few_failures_may_run_again_but_no_report_of_a_sanitizer(tmp_path):
    for outcomes, status in [({}, 1), ({"a": None}, 1), ({"a": "late"}, 0), ({f"a{n}": "late" for n in range(5)}, 0),
                             ({f"a{n}": "late" for n in range(6)}, 1), ({"a": "WARNING: ThreadSanitizer: data race"}, 1),
                             ({"a": "late", "b": "x.c:1:2: runtime error: shift"}, 1)]:
        (tmp_path / "http.xml").write_text(junit(**outcomes))
        assert subprocess.run([ROOT / "tools/test-report", "--again", tmp_path / "http.xml"], timeout=30).returncode == status, outcomes


def test_nothing_run_is_no_success(tmp_path):
    assert report(tmp_path) == (1, ["0 passed, 0 failed"])
