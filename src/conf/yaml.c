#include "conf/yaml.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/secret.h"

struct reader {
        yaml_parser_t parser;
        struct cd_arena *arena;
        cd_str file_name, text;
        size_t nodes;
        struct cd_error *reterr;
};

/* Frees libyaml's memory for one event, which may contain a secret and is wiped first. */
static void delete_event(yaml_event_t *event)
{
        if (event->type == YAML_SCALAR_EVENT)
                cd_wipe(event->data.scalar.value, event->data.scalar.length);
        yaml_event_delete(event);
}

#define EVENT __attribute__((cleanup(delete_event))) yaml_event_t

static struct cd_yaml_mark mark_of(yaml_mark_t at)
{
        return (struct cd_yaml_mark){ (unsigned)at.line + 1, (unsigned)at.column + 1 };
}

static cd_status fail_at(const struct reader *r, cd_status status, yaml_mark_t at, const char *what)
{
        struct cd_yaml_mark mark = mark_of(at);

        return cd_failf(r->reterr, status, CD_STR(""), "%.*s:%u:%u: %s", CD_STR_ARG(r->file_name), mark.line,
                        mark.column, what);
}

#define ALIGN "begin all settings of one level, and the \"-\" of all entries of one list, in the same column"

/* What somebody meant who made the mistake, for libyaml's words, which say nothing of what to do. */
static const struct {
        const char *problem, *what;
} mistakes[] = {
        { "did not find expected '-' indicator", "this line is not an entry of the list before it; " ALIGN },
        { "did not find expected key", "this line is not a setting of the level before it; " ALIGN },
        { "mapping values are not allowed in this context",
          "a \":\" where no setting can begin; begin all settings of one level in the same column, with a space after "
          "the \":\" in each, and quote a value that contains \": \"" },
        { "could not find expected ':'",
          "a setting without its \":\"; write each as \"name: value\", with a space after the \":\"" },
        { "did not find expected ',' or '}'",
          "the \"{\" before it is not closed here; close it with \"}\", and quote each value with a \"{\", \",\" or "
          "\": \" in it, as in \"${env:NAME}\"" },
        { "did not find expected ',' or ']'",
          "the \"[\" before it is not closed here; close it with \"]\", and quote each value with a \"{\", \",\" or "
          "\": \" in it, as in \"${env:NAME}\"" },
        { "did not find expected node content", "there is no value here; remove a comma that is too much" },
        { "found unexpected end of stream", "the file ends within quotation marks; close them where the value ends" },
        { "did not find expected alphabetic or numeric character",
          "a value begins with \"*\" or \"&\"; put it in quotation marks" },
        { "did not find expected <document start>",
          "this line is no setting; write each as \"name: value\", the first at the beginning of its line" },
};

static const char *describe(const yaml_parser_t *p, char *room, size_t size)
{
        const char *problem = p->problem ? p->problem : "syntax error";
        unsigned char next = p->buffer.pointer < p->buffer.last ? *p->buffer.pointer : '\0';

        for (size_t i = 0; i < CD_LEN(mistakes); i++)
                if (!strcmp(problem, mistakes[i].problem))
                        return mistakes[i].what;
        if (p->error == YAML_SCANNER_ERROR && next == '\t')
                return "a tab; indent with spaces only";
        if (p->error == YAML_SCANNER_ERROR && memchr("@`%", next, 3))
                snprintf(room, size, "a value begins with \"%c\"; put it in quotation marks", next);
        else
                snprintf(room, size, "%s; correct the line, or quote the value", problem);
        return room;
}

/* A space that is none to YAML, as in what was copied from a page of the web. */
static const char no_space[] = "not YAML: a non-breaking space; write a common space";

static bool has_no_space(cd_str text)
{
        return text.len && memmem(text.ptr, text.len, "\xc2\xa0", 2);
}

static cd_str line_at(const struct reader *r, yaml_mark_t at)
{
        size_t from = 0;

        for (size_t i = 0; i < at.line; i++)
                from += cd_str_index(cd_str_slice(r->text, from, r->text.len), '\n') + 1;
        cd_str rest = cd_str_slice(r->text, from, r->text.len);
        return cd_str_slice(rest, 0, cd_str_index(rest, '\n'));
}

static cd_status fail_parse(const struct reader *r)
{
        const yaml_parser_t *p = &r->parser;

        if (p->error == YAML_MEMORY_ERROR)
                return cd_fail(r->reterr, CD_NO_MEMORY, "no memory for the configuration");
        /* The reader is ahead of the marks: for a bad byte, only its offset is known. */
        unsigned line = 1;
        for (size_t i = 0; i < p->problem_offset && i < r->text.len; i++)
                line += r->text.ptr[i] == '\n';
        if (p->error == YAML_READER_ERROR)
                return cd_failf(r->reterr, CD_MALFORMED, CD_STR(""),
                                "%.*s:%u: not YAML: %s at byte %zu; save it as UTF-8", CD_STR_ARG(r->file_name), line,
                                p->problem ? p->problem : "unreadable text", p->problem_offset);

        char room[160], what[320];
        /* Where a ":" was expected, the problem is found a line too late. */
        bool is_name = p->context && !strcmp(p->context, "while scanning a simple key");
        yaml_mark_t at = is_name ? p->context_mark : p->problem_mark;
        if (has_no_space(line_at(r, at)))
                return fail_at(r, CD_MALFORMED, at, no_space);
        snprintf(what, sizeof(what), "not YAML: %s", describe(p, room, sizeof(room)));
        return fail_at(r, CD_MALFORMED, at, what);
}

static cd_status next_event(struct reader *r, yaml_event_t *ret)
{
        *ret = (yaml_event_t){ 0 };
        return yaml_parser_parse(&r->parser, ret) ? CD_OK : fail_parse(r);
}

static cd_status refuse_extras(const struct reader *r, const yaml_event_t *event)
{
        const yaml_char_t *anchor = NULL, *tag = NULL;

        switch (event->type) {
        case YAML_ALIAS_EVENT:
                return fail_at(r, CD_MALFORMED, event->start_mark, "aliases are not supported; write the value out");
        case YAML_SCALAR_EVENT:
                anchor = event->data.scalar.anchor;
                tag = event->data.scalar.tag;
                break;
        case YAML_SEQUENCE_START_EVENT:
                anchor = event->data.sequence_start.anchor;
                tag = event->data.sequence_start.tag;
                break;
        case YAML_MAPPING_START_EVENT:
                anchor = event->data.mapping_start.anchor;
                tag = event->data.mapping_start.tag;
                break;
        default:
                break;
        }
        if (anchor)
                return fail_at(r, CD_MALFORMED, event->start_mark, "anchors are not supported; write the value out");
        if (tag)
                return fail_at(r, CD_MALFORMED, event->start_mark, "tags are not supported; leave it out");
        return CD_OK;
}

static cd_str scalar_text(const yaml_event_t *event)
{
        return cd_str_of((const char *)event->data.scalar.value, event->data.scalar.length);
}

static cd_status new_node(struct reader *r, const yaml_event_t *event, struct cd_yaml_node **ret)
{
        cd_status status = refuse_extras(r, event);
        if (status != CD_OK)
                return status;
        if (++r->nodes > CD_YAML_MAX_NODES)
                return fail_at(r, CD_TOO_LARGE, event->start_mark, "too many values in one file (at most 65536)");

        struct cd_yaml_node *node = CD_NEW(r->arena, struct cd_yaml_node);
        if (!node)
                return cd_fail(r->reterr, CD_NO_MEMORY, "no memory for the configuration");
        node->mark = mark_of(event->start_mark);
        node->type = event->type == YAML_MAPPING_START_EVENT    ? CD_YAML_MAPPING
                     : event->type == YAML_SEQUENCE_START_EVENT ? CD_YAML_SEQUENCE
                                                                : CD_YAML_SCALAR;
        if (event->type == YAML_SCALAR_EVENT) {
                node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
                node->text = cd_arena_copy(r->arena, scalar_text(event));
                if (!node->text.ptr)
                        return cd_fail(r->reterr, CD_NO_MEMORY, "no memory for the configuration");
        }
        *ret = node;
        return CD_OK;
}

/* Reads the name of the next member. Sets *ret_end if the mapping ends instead. */
static cd_status read_key(struct reader *r, cd_str *ret, struct cd_yaml_mark *ret_mark, bool *ret_end)
{
        EVENT event;
        cd_status status = next_event(r, &event);
        if (status != CD_OK)
                return status;
        *ret_end = event.type == YAML_MAPPING_END_EVENT;
        if (*ret_end)
                return CD_OK;
        status = refuse_extras(r, &event);
        if (status != CD_OK)
                return status;
        if (event.type != YAML_SCALAR_EVENT)
                return fail_at(r, CD_MALFORMED, event.start_mark, "the name of a setting must be a plain word");
        if (has_no_space(scalar_text(&event)))
                return fail_at(r, CD_MALFORMED, event.start_mark, no_space);
        *ret_mark = mark_of(event.start_mark);
        *ret = cd_arena_copy(r->arena, scalar_text(&event));
        return ret->ptr ? CD_OK : cd_fail(r->reterr, CD_NO_MEMORY, "no memory for the configuration");
}

static cd_status read_children(struct reader *r, struct cd_yaml_node *parent, unsigned depth);

/* Reads one value; *ret is NULL if the enclosing sequence ends instead. CD_YAML_MAX_DEPTH bounds the recursion. */
static cd_status read_node(struct reader *r, unsigned depth, struct cd_yaml_node **ret)
{
        EVENT event;
        cd_status status = next_event(r, &event);
        if (status != CD_OK)
                return status;
        *ret = NULL;
        if (event.type == YAML_SEQUENCE_END_EVENT)
                return CD_OK;

        struct cd_yaml_node *node = NULL;
        status = new_node(r, &event, &node);
        if (status != CD_OK)
                return status;
        if (node->type != CD_YAML_SCALAR) {
                if (depth >= CD_YAML_MAX_DEPTH)
                        return fail_at(r, CD_TOO_LARGE, event.start_mark, "nested too deeply (at most 16 levels)");
                status = read_children(r, node, depth + 1);
        }
        if (status == CD_OK)
                *ret = node;
        return status;
}

static cd_status read_children(struct reader *r, struct cd_yaml_node *parent, unsigned depth)
{
        for (struct cd_yaml_node **tail = &parent->child;; tail = &(*tail)->next) {
                cd_str key = { NULL, 0 };
                struct cd_yaml_mark key_mark = { 0, 0 };
                bool end = false;
                cd_status status = parent->type == CD_YAML_MAPPING ? read_key(r, &key, &key_mark, &end) : CD_OK;
                if (status != CD_OK || end)
                        return status;
                status = read_node(r, depth, tail);
                if (status != CD_OK || !*tail)
                        return status;
                (*tail)->key = key;
                (*tail)->key_mark = key_mark;
                parent->count++;
        }
}

static cd_status read_document(struct reader *r, const struct cd_yaml_node **ret)
{
        struct cd_yaml_node *root = NULL;

        for (;;) {
                EVENT event;
                cd_status status = next_event(r, &event);
                if (status != CD_OK)
                        return status;
                if (event.type == YAML_STREAM_END_EVENT)
                        break;
                if (event.type != YAML_DOCUMENT_START_EVENT)
                        continue;
                if (root)
                        return fail_at(r, CD_MALFORMED, event.start_mark,
                                       "a second document (\"---\") is not supported; keep one");
                status = read_node(r, 0, &root);
                if (status != CD_OK)
                        return status;
        }
        *ret = root;
        return CD_OK;
}

/* The parser's two buffers contain the text of the file, so they are wiped. */
static void delete_parser(yaml_parser_t *parser)
{
        cd_wipe(parser->raw_buffer.start, (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
        cd_wipe(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
        yaml_parser_delete(parser);
}

cd_status cd_yaml_parse(struct cd_arena *arena, cd_str text, cd_str file_name, const struct cd_yaml_node **ret,
                        struct cd_error *reterr)
{
        struct reader r = { .arena = arena, .file_name = file_name, .reterr = reterr };

        if (text.len > CD_YAML_MAX_SIZE)
                return cd_failf(reterr, CD_TOO_LARGE, CD_STR(""), "%.*s: larger than 1 MB", CD_STR_ARG(file_name));
        if (cd_str_has_prefix(text, CD_STR("\xef\xbb\xbf"))) /* a byte order mark, which editors of Windows write */
                text = cd_str_slice(text, 3, text.len);
        if (cd_str_has_prefix(text, CD_STR("\xff\xfe")) || cd_str_has_prefix(text, CD_STR("\xfe\xff")))
                return cd_failf(reterr, CD_MALFORMED, CD_STR(""), "%.*s: not YAML: is in UTF-16; save it as UTF-8",
                                CD_STR_ARG(file_name));
        if (!yaml_parser_initialize(&r.parser))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the configuration");
        /* Set explicitly, because otherwise a byte order mark could select UTF-16. */
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        r.text = text;
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
        cd_status status = read_document(&r, ret);
        delete_parser(&r.parser);
        return status;
}

bool cd_yaml_is_null(const struct cd_yaml_node *node)
{
        return node->type == CD_YAML_SCALAR && !node->quoted &&
               (node->text.len == 0 || cd_str_eq(node->text, CD_STR("~")) || cd_str_eq(node->text, CD_STR("null")));
}
