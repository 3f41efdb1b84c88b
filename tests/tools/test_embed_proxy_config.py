"""tools/embed-proxy-config must refuse a template with a key or a condition that src/cmd/proxy_config.h does not know."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def embed(folder, text):
    """(exit status, messages, the C file)."""
    template = folder / "squid" / "site"
    template.parent.mkdir()
    template.write_text(text, encoding="utf-8")
    done = subprocess.run([ROOT / "tools/embed-proxy-config", folder / "out.c", ROOT / "src/cmd/proxy_config.h", template], capture_output=True,
                          text=True, timeout=60)
    return done.returncode, done.stderr, (folder / "out.c").read_text() if done.returncode == 0 else ""


def test_a_template_becomes_a_row(tmp_path):
    code, error, text = embed(tmp_path, 'host @HOST@ "a\\b"\n%tls%!portal|x @allowed 100%\n%each|- @SPELLING@\n')
    assert (code, error) == (0, "")
    assert '{ "squid", "site",' in text
    assert r'"host @HOST@ \"a\\b\"\n"' in text and r'"%tls%!portal|x @allowed 100%\n"' in text


@pytest.mark.parametrize("text, what", [("a @HOTS@", "@HOTS@"), ("%ssl|a", "%ssl"), ("ok\n%tls%!portl|a", "%portl")])
def test_a_key_or_condition_that_is_not_known_is_refused(tmp_path, text, what):
    code, error, _ = embed(tmp_path, text + "\n")
    assert code == 1 and error.endswith(f"squid/site: {what} is not known to src/cmd/proxy_config.h\n")
