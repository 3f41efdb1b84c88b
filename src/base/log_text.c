#include "base/log_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

/* ---- where the log goes ---- */

/* systemd.exec(5): "device:inode" of the socket that it connected standard error with. A program that was started from
 * a unit, but with another standard error, has the variable too. */
static bool is_journal(int fd)
{
        const char *stream = getenv("JOURNAL_STREAM");
        char expected[64];
        struct stat st;

        if (!stream || fstat(fd, &st) != 0)
                return false;
        snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, expected) == 0;
}

/* https://no-color.org: any value but an empty one. */
static bool may_colour(void)
{
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

        return !(no_color && no_color[0]) && term && term[0] && strcmp(term, "dumb") != 0;
}

struct cd_log_style cd_log_style_of(int fd, enum cd_log_format format, enum cd_log_priority priority)
{
        bool is_terminal = isatty(fd) == 1;
        bool is_text = format == CD_LOG_TEXT || (format == CD_LOG_AUTO && is_terminal);

        return (struct cd_log_style){
                .is_text = is_text,
                .is_terminal = is_text && is_terminal,
                .has_colour = is_text && is_terminal && may_colour(),
                .has_priority = priority == CD_LOG_PRIORITY_ON || (priority == CD_LOG_PRIORITY_AUTO && is_journal(fd)),
        };
}

/* ---- text ---- */

/* Events that read better as a sentence than as a name. In `words`, {member} is the member's value; neither these
 * members nor those of `hidden` are shown after it. An event without one of the members in `words` is shown as any
 * other. */
static const struct phrase {
        const char *event, *words, *hidden;
} phrases[] = {
        { "listening", "listening on {url}", " address speaks " },
        { "request", "{method} {path} {status}", " trace_id span_id protocol peer " },
};

enum {
        EVENT_WIDTH = 22, /* columns; most names of events are shorter */
        PRIORITY_ERROR = 3,
        PRIORITY_WARNING = 4,
        PRIORITY_INFO = 6,
        PRIORITY_DEBUG = 7,
};

static const struct level {
        const char *name, *shown, *colour;
        int priority;
} levels[] = {
        { "info", "INFO ", "\033[32m", PRIORITY_INFO },
        { "warn", "WARN ", "\033[33m", PRIORITY_WARNING },
        { "error", "ERROR", "\033[1;31m", PRIORITY_ERROR },
        { "debug", "DEBUG", "\033[2m", PRIORITY_DEBUG },
};

static const cd_str REQUEST_ID = CD_STR_INIT("request_id");

static const char DIM[] = "\033[2m", BOLD[] = "\033[1m", PLAIN[] = "\033[0m";

static const struct level *level_of(cd_str name)
{
        for (size_t i = 0; i < CD_LEN(levels); i++)
                if (cd_str_eq(name, cd_str_from_c(levels[i].name)))
                        return &levels[i];
        return &levels[0];
}

static void add_coloured(struct cd_buf *to, struct cd_log_style style, const char *colour, cd_str text)
{
        if (style.has_colour)
                cd_buf_add(to, cd_str_from_c(colour));
        cd_buf_add(to, text);
        if (style.has_colour)
                cd_buf_add(to, cd_str_from_c(PLAIN));
}

/* Whether a value needs no quotes: then it has no space, and cannot be taken for another member. */
static bool is_plain(cd_str value)
{
        size_t i = 0;

        while (i < value.len) {
                size_t size = cd_str_safe_sequence(cd_str_slice(value, i, value.len));
                if (size == 0 || value.ptr[i] == ' ' || value.ptr[i] == '"' || value.ptr[i] == '=' ||
                    value.ptr[i] == '\\')
                        return false;
                i += size;
        }
        return value.len > 0;
}

static void add_value(struct cd_buf *to, cd_str value)
{
        if (is_plain(value)) {
                cd_buf_add(to, value);
                return;
        }
        cd_buf_add_char(to, '"');
        for (size_t i = 0; i < value.len;) {
                size_t size = cd_str_safe_sequence(cd_str_slice(value, i, value.len));
                if (value.ptr[i] == '"' || value.ptr[i] == '\\')
                        cd_buf_add_char(to, '\\');
                cd_buf_add_safe(to, cd_str_slice(value, i, size ? size : 1));
                i += size ? size : 1;
        }
        cd_buf_add_char(to, '"');
}

/* The time of day where a person reads along, and the whole time in a file. */
static void add_time(struct cd_buf *to, struct cd_log_style style, cd_str ts)
{
        char text[16] = "";
        cd_str shown = ts;
        cd_time time;

        cd_str seconds = cd_str_slice(ts, 0, sizeof("2026-11-22T19:52:00") - 1);
        cd_str millis = cd_str_slice(ts, seconds.len, sizeof(".105") - 1);
        char whole[CD_RFC3339_LEN + 1];
        snprintf(whole, sizeof(whole), "%.*sZ", CD_STR_ARG(seconds));
        if (style.is_terminal && cd_time_parse_rfc3339(cd_str_from_c(whole), &time)) {
                const time_t at = (time_t)time;
                struct tm local;
                size_t len = localtime_r(&at, &local) ? strftime(text, sizeof(text), "%H:%M:%S", &local) : 0;
                memcpy(text + len, millis.ptr, millis.len);
                shown = cd_str_of(text, len + millis.len);
        }
        add_coloured(to, style, DIM, shown);
}

static bool is_in(const char *list, cd_str name)
{
        char word[64];

        snprintf(word, sizeof(word), " %.*s ", CD_STR_ARG(name));
        return strstr(list, word) != NULL;
}

/* Replaces each {member}. False if the event lacks one, or the words do not fit. */
static bool fill_in(const struct phrase *phrase, const struct cd_json *root, struct cd_buf *to)
{
        for (const char *at = phrase->words; *at;) {
                size_t len = strcspn(at, "{");
                cd_buf_add(to, cd_str_of(at, len));
                at += len;
                if (!*at)
                        break;
                size_t name_len = strcspn(at, "}");
                const struct cd_json *member = cd_json_find(root, cd_str_of(at + 1, name_len - 1));
                if (!member)
                        return false;
                add_value(to, member->text);
                at += name_len + 1;
        }
        return !to->failed;
}

static const struct phrase *phrase_for(const struct cd_json *root, cd_str event, struct cd_buf *words)
{
        for (size_t i = 0; i < CD_LEN(phrases); i++) {
                if (!cd_str_eq(event, cd_str_from_c(phrases[i].event)))
                        continue;
                if (fill_in(&phrases[i], root, words))
                        return &phrases[i];
                words->len = 0;
                words->failed = false;
        }
        for (size_t i = 0; i < event.len; i++)
                cd_buf_add_char(words, event.ptr[i] == '_' ? ' ' : event.ptr[i]);
        return NULL;
}

/* What was said already, or is shown at its place before the members. */
static bool is_hidden(const struct phrase *phrase, cd_str name)
{
        char member[64];

        if (is_in(" ts level service event ", name))
                return true;
        snprintf(member, sizeof(member), "{%.*s}", CD_STR_ARG(name));
        return phrase && (strstr(phrase->words, member) || is_in(phrase->hidden, name));
}

static void add_member(struct cd_buf *to, struct cd_log_style style, const struct cd_json *member)
{
        cd_buf_add(to, CD_STR("  "));
        if (style.has_colour)
                cd_buf_add(to, cd_str_from_c(DIM));
        cd_buf_add(to, member->name);
        cd_buf_add_char(to, '=');
        if (style.has_colour)
                cd_buf_add(to, cd_str_from_c(PLAIN));
        add_value(to, member->text);
}

/* The request's id is long and seldom read, so it comes last. */
static void add_members(struct cd_buf *to, struct cd_log_style style, const struct cd_json *root,
                        const struct phrase *phrase)
{
        const struct cd_json *id = cd_json_find(root, REQUEST_ID);

        for (const struct cd_json *m = root->child; m; m = m->next)
                if (m != id && !is_hidden(phrase, m->name))
                        add_member(to, style, m);
        if (id)
                add_member(to, style, id);
}

static bool has_members(const struct cd_json *root, const struct phrase *phrase)
{
        for (const struct cd_json *m = root->child; m; m = m->next)
                if (!is_hidden(phrase, m->name))
                        return true;
        return false;
}

static cd_str text_of(const struct cd_json *root, cd_str name)
{
        const struct cd_json *member = cd_json_find(root, name);
        return member ? member->text : CD_STR("");
}

static void add_text(struct cd_log_style style, const struct cd_json *root, struct cd_buf *to)
{
        const struct level *level = level_of(text_of(root, CD_STR("level")));
        char memory[1024];
        struct cd_buf words;

        cd_buf_init_fixed(&words, memory, sizeof(memory));
        const struct phrase *phrase = phrase_for(root, text_of(root, CD_STR("event")), &words);
        add_time(to, style, text_of(root, CD_STR("ts")));
        cd_buf_add_char(to, ' ');
        add_coloured(to, style, level->colour, cd_str_from_c(level->shown));
        cd_buf_add(to, CD_STR("  "));
        add_coloured(to, style, level->priority <= PRIORITY_WARNING ? level->colour : BOLD,
                     cd_str_of(words.ptr, words.len));
        if (style.is_terminal && has_members(root, phrase))
                for (size_t i = words.len; i < EVENT_WIDTH; i++)
                        cd_buf_add_char(to, ' ');
        add_members(to, style, root, phrase);
}

static int priority_of(cd_str line)
{
        static const char prefix[] = "\"level\":\"";
        const char *at = memmem(line.ptr, line.len, prefix, sizeof(prefix) - 1);

        if (!cd_str_has_prefix(line, CD_STR("{")) || !at)
                return PRIORITY_INFO;
        cd_str rest = cd_str_slice(line, (size_t)(at - line.ptr) + sizeof(prefix) - 1, line.len);
        return level_of(cd_str_slice(rest, 0, cd_str_index(rest, '"')))->priority;
}

void cd_log_write_styled(struct cd_log_style style, cd_str line, struct cd_arena *arena, struct cd_buf *to)
{
        const struct cd_json *root;

        if (style.has_priority)
                cd_buf_printf(to, "<%d>", priority_of(line));
        if (style.is_text && cd_str_has_prefix(line, CD_STR("{")) &&
            cd_json_parse(arena, line, 0, &root, NULL) == CD_OK)
                add_text(style, root, to);
        else
                cd_buf_add(to, line);
        cd_buf_add_char(to, '\n');
}
