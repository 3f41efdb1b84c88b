"""The texts of pages for tools/compile-pages: collected from templates and the list of messages, translated by .po files (GNU gettext), and
written as tables of C. The English text is the msgid, so a page reads as what it says."""
import html
import re

FORMS = 6  # the most plural forms that any language has (Arabic)


def unquote(text):
    return text and re.sub(r"\s+", " ", re.sub(r"\\(.)", r"\1", text))


def join_literals(literals):
    return literals and unquote("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))


def c_string(text):
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    # What a compiler does not show: byte 0 between two forms, byte 1, which begins a slot, and the characters that set the direction of writing.
    text = re.sub("[\0\x01\u202a-\u202e\u2066-\u2069]", lambda match: "".join(f"\\{byte:03o}" for byte in match[0].encode()), text)
    # A literal may be 4095 bytes long at least (C11 §5.2.4.1); adjacent ones are one, and no escape must be divided.
    lines = re.findall(r"(?:\\[0-7]{3}|\\.|[^\\]){1,100}", text)
    return " ".join(f'"{line}"' for line in lines) or '""'


class Message:
    """A text in English: its msgid and, where it counts something, the plural of it."""

    def __init__(self, one, many=None):
        self.one, self.many = one, many

    def names(self):
        """Of the slots, in the order in which C finds their values; a count is always the first."""
        names = list(dict.fromkeys(re.findall(r"\{([a-z]+)\}", self.one + (self.many or ""))))
        if self.many and "count" not in names:
            raise ValueError(f'"{self.many}": a text with a plural says {{count}}')
        return sorted(names, key=lambda name: name != "count")

    def forms(self):
        return [self.one, self.many] if self.many else [self.one]


class Texts:
    def __init__(self):
        self.messages, self.places, self.listed, self.plain = {}, {}, [], set()

    def add(self, message, place, is_plain=False):
        known = self.messages.setdefault(message.one, message)
        if known.many != message.many:
            raise ValueError(f'"{message.one}": has another plural at {self.places[message.one][0]}')
        self.places.setdefault(message.one, []).append(place)
        if is_plain:
            self.plain.add(message.one)

    def read_messages(self, path):
        """X(NAME, "One") and X(NAME, "One", "many") of the list in a header, in its order. A text may have several literals."""
        source = path.read_text(encoding="utf-8")
        text = r'("(?:[^"\\]|\\.)*"(?:[\s\\]+"(?:[^"\\]|\\.)*")*)'
        for match in re.finditer(rf'^\s*X\((\w+),[\s\\]*{text}(?:,[\s\\]*{text})?\)', source, re.MULTILINE):
            message = Message(join_literals(match[2]), join_literals(match[3]))
            if set(message.names()) - {"count"}:
                raise ValueError(f"{path.name}: {match[1]}: a message has no slot but {{count}}")
            self.add(message, f"{path.name}:{source.count(chr(10), 0, match.start(1)) + 1}")
            self.listed.append(message)

    def number(self, message):
        return sorted(self.messages).index(message.one)

    def pot(self):
        """For translators: xgettext's format, with Python's braces, which msgfmt -c compares."""
        out = ['msgid ""', 'msgstr ""', '"Content-Type: text/plain; charset=UTF-8\\n"',
               '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"', ""]
        for one, message in sorted(self.messages.items()):
            out.append("#: " + " ".join(dict.fromkeys(place.rpartition(":")[0] for place in self.places[one])))
            if message.names():
                out.append("#, python-brace-format")
            out += [f"msgid {quote(one)}"] + ([f"msgid_plural {quote(message.many)}", 'msgstr[0] ""', 'msgstr[1] ""'] if message.many
                                              else ['msgstr ""']) + [""]
        return "\n".join(out)

    def write(self, out, name, po_files, pseudo):
        languages = [] if pseudo else [English(self), *(Translation(path) for path in sorted(po_files))]
        languages = languages or [Pseudo(self)]
        messages = f"{name}_messages" if self.listed else "NULL"
        if self.listed:
            numbers = ", ".join(str(self.number(message)) for message in self.listed)
            out.append(f"static const uint16_t {messages}[] = {{ {numbers} }};")
        for index, language in enumerate(languages):
            self.write_language(out, f"{name}_{index}", language)
        out.append(f"const struct cd_texts {name}[] = {{")
        for index, language in enumerate(languages):
            out.append(f"        {{ .tag = CD_STR_INIT({c_string(language.tag)}), .name = CD_STR_INIT({c_string(language.name)}), "
                       f".rtl = {str(language.rtl).lower()}, .plural = {name}_{index}_plural, .texts = {name}_{index}, "
                       f".text_count = {len(self.messages)}, .bytes = {name}_{index}_bytes, "
                       f".messages = {messages}, .message_count = {len(self.listed)} }},")
        out += ["};", f"const size_t {name}_count = {len(languages)};"]

    def write_language(self, out, name, language):
        count, rule = language.plural
        if not re.fullmatch(r"[n0-9\s()?:<>=!&|%+*/-]+", rule) or not 1 <= count <= FORMS:
            raise ValueError(f"{language.tag}: Plural-Forms: {rule!r} is no plural rule of at most {FORMS} forms")
        out += [f"static unsigned {name}_plural(uint64_t n)", "{", "        (void)n;", f"        return (unsigned)({rule});", "}"]
        entries, lines, size = [], [], 0
        for one, message in sorted(self.messages.items()):
            # A text that nobody translated yet stays English, with the English rule of plurals.
            forms = language.forms(message)
            if forms is not None and len(forms) != (count if message.many else 1):
                raise ValueError(f'{language.tag}: "{one}": has {len(forms)} plural forms where Plural-Forms says {count}')
            forms_shown = forms or message.forms()
            if one in self.plain and any(html.escape(form) != form for form in forms_shown):
                raise ValueError(f"{language.tag}: \"{one}\": a text of an e-mail has none of & < > \" ', because pages share it")
            text = "\0".join(encode(message, forms_shown, language.tag))
            length = len(text.encode())
            entries.append(f"        {{ .english = {'false' if forms else 'true'}, .len = {length}, .at = {size} }},")
            lines.append(f"        {c_string(text)}")
            size += length
        out += [f"static const char {name}_bytes[] =", *lines, '        "";', f"static const struct cd_text {name}[] = {{", *entries, "};"]


def encode(message, forms, tag):
    """As C copies it: escaped for text and attributes alike; {name} is a byte 1 and the number of its slot, as a letter."""
    names = message.names()
    for form in forms:
        for name in re.findall(r"\{(.*?)\}", form):
            if name not in names:
                raise ValueError(f'{tag}: "{message.one}": the translation has {{{name}}}, which the text has not')
        yield re.sub(r"\{([a-z]+)\}", lambda match: "\x01" + chr(ord("a") + names.index(match[1])), html.escape(form))


class English:
    tag, name, rtl, plural = "en", "English", False, (2, "n != 1")

    def __init__(self, texts):
        self.texts = texts

    def forms(self, message):
        return message.forms()


class Translation:
    """A .po file. What is empty or fuzzy in it is not translated."""

    def __init__(self, path):
        self.entries = dict(read_po(path))
        header = dict(line.split(": ", 1) for line in self.entries.pop("", [""])[0].split("\n") if ": " in line)
        self.tag = header.get("Language", path.stem).replace("_", "-")
        self.name = header.get("X-Language-Name", self.tag)
        self.rtl = header.get("X-Direction", "ltr") == "rtl"
        match = re.fullmatch(r"\s*nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*(.*?);?\s*", header.get("Plural-Forms", ""))
        if not match:
            raise ValueError(f"{path.name}: the header needs Plural-Forms: nplurals=…; plural=…;")
        self.plural = int(match[1]), match[2]

    def forms(self, message):
        forms = self.entries.get(message.one)
        return forms if forms and all(forms) else None


class Pseudo:
    """Text in no language, which shows what a page does with one that is a third longer and runs from right to left."""
    tag, name, rtl, plural = "ar-XB", "Pseudo", True, (2, "n != 1")
    LONGER = str.maketrans({letter: letter * 2 for letter in "aeiouywAEIOUYW"})

    def __init__(self, texts):
        pass

    def forms(self, message):
        return [re.sub(r"\{\w+\}|\w+", self.word, form) for form in message.forms()]

    def word(self, match):
        # U+202E and U+202C: the letters of the word run from right to left.
        return match[0] if match[0].startswith("{") else f"\u202e{match[0].translate(self.LONGER)}\u202c"


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def read_po(path):
    """Pairs of a msgid and its forms; msgfmt -c has checked the file, so what is odd here is an error."""
    entry, key, fuzzy = {}, None, False
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        match = re.fullmatch(r'(?:(msgid|msgid_plural|msgstr|msgstr\[\d\]) )?"(.*)"', line.strip())
        if match and (match[1] or key):
            key = match[1] or key
            entry[key] = entry.get(key, "") + match[2].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
        elif line.startswith("#,"):
            fuzzy = "fuzzy" in line
        elif not line.strip():
            if "msgid" in entry and not fuzzy:
                yield entry["msgid"], [entry[name] for name in sorted(entry) if name.startswith("msgstr")]
            entry, key, fuzzy = {}, None, False
        elif not line.startswith("#"):
            raise ValueError(f"{path.name}:{number}: {line.strip()!r} is no line of a .po file that is known here")
