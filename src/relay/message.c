#include "relay/message.h"

#include "base/json.h"
#include "relay/pickle.h"

/* ---- deliveries ---- */

static const struct member {
        cd_str name;
        size_t offset;
} members[] = {
        { CD_STR_INIT("state"), offsetof(struct cd_relay_delivery, state) },
        { CD_STR_INIT("code"), offsetof(struct cd_relay_delivery, code) },
        { CD_STR_INIT("error"), offsetof(struct cd_relay_delivery, error) },
        { CD_STR_INIT("error_description"), offsetof(struct cd_relay_delivery, error_description) },
        { CD_STR_INIT("data"), offsetof(struct cd_relay_delivery, data) },
};

static const cd_str *value_of(const struct cd_relay_delivery *delivery, const struct member *member)
{
        const cd_str *value = (const cd_str *)((const char *)delivery + member->offset);

        return value->ptr ? value : NULL;
}

static void write_pickle(const struct cd_relay_delivery *delivery, struct cd_buf *buf)
{
        cd_pickle_begin(buf);
        for (size_t i = 0; i < CD_LEN(members); i++) {
                const cd_str *value = value_of(delivery, &members[i]);
                if (value)
                        cd_pickle_add_str(buf, members[i].name, *value);
        }
        cd_pickle_end(buf);
}

static void write_json(const struct cd_relay_delivery *delivery, struct cd_buf *buf)
{
        char separator = '{';

        for (size_t i = 0; i < CD_LEN(members); i++) {
                const cd_str *value = value_of(delivery, &members[i]);
                if (!value)
                        continue;
                cd_buf_add_char(buf, separator);
                cd_buf_add_json(buf, members[i].name);
                cd_buf_add_char(buf, ':');
                cd_buf_add_json(buf, *value);
                separator = ',';
        }
        cd_buf_add(buf, CD_STR("}\n"));
}

void cd_relay_write(enum cd_relay_encoding encoding, const struct cd_relay_delivery *delivery, struct cd_buf *buf)
{
        if (encoding == CD_RELAY_PICKLE)
                write_pickle(delivery, buf);
        else
                write_json(delivery, buf);
}

static cd_status read_pickled(struct cd_arena *arena, cd_str bytes, struct cd_relay_delivery *ret,
                              struct cd_error *reterr)
{
        struct cd_pickle_dict dict;
        cd_status status = cd_pickle_read(arena, bytes, &dict, reterr);

        for (size_t i = 0; status == CD_OK && i < CD_LEN(members); i++) {
                const struct cd_pickle_value *value = cd_pickle_find(&dict, members[i].name);
                if (value && value->type == CD_PICKLE_STR)
                        *(cd_str *)((char *)ret + members[i].offset) = value->text;
        }
        return status;
}

static cd_status read_line(struct cd_arena *arena, cd_str bytes, struct cd_relay_delivery *ret, struct cd_error *reterr)
{
        const struct cd_json *object;
        cd_status status = cd_json_parse(arena, bytes, CD_JSON_UNIQUE_NAMES, &object, reterr);

        for (size_t i = 0; status == CD_OK && i < CD_LEN(members); i++) {
                const struct cd_json *value = cd_json_find(object, members[i].name);
                if (value && value->type == CD_JSON_STRING)
                        *(cd_str *)((char *)ret + members[i].offset) = value->text;
        }
        return status;
}

cd_status cd_relay_rewrite(enum cd_relay_encoding encoding, struct cd_arena *arena, cd_str bytes, cd_str *ret,
                           struct cd_error *reterr)
{
        struct cd_relay_delivery delivery = { 0 };
        bool is_pickle = cd_pickle_begins(bytes);
        struct cd_buf buf;

        *ret = bytes;
        if (is_pickle == (encoding == CD_RELAY_PICKLE))
                return CD_OK;
        cd_status status =
                is_pickle ? read_pickled(arena, bytes, &delivery, reterr) : read_line(arena, bytes, &delivery, reterr);
        if (status != CD_OK)
                return status;
        cd_buf_init(&buf, arena, CD_RELAY_MESSAGE_WIRE_MAX);
        cd_relay_write(encoding, &delivery, &buf);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

/* ---- answers ---- */

static cd_status fail(struct cd_error *reterr, const char *reason)
{
        return cd_fail(reterr, CD_MALFORMED, reason);
}

static cd_status read_pickle(struct cd_arena *arena, cd_str bytes, struct cd_relay_answer *ret, struct cd_error *reterr)
{
        struct cd_pickle_dict dict;
        const struct cd_pickle_value *success, *message;
        cd_status status = cd_pickle_read(arena, bytes, &dict, reterr);

        if (status != CD_OK)
                return status;
        success = cd_pickle_find(&dict, CD_STR("success"));
        message = cd_pickle_find(&dict, CD_STR("message"));
        if (!success || success->type != CD_PICKLE_BOOL)
                return fail(reterr, "the dict has no \"success\" that is True or False");
        if (message && message->type != CD_PICKLE_STR && message->type != CD_PICKLE_NONE)
                return fail(reterr, "the dict's \"message\" is not a str");
        *ret = (struct cd_relay_answer){ success->truth ? CD_RELAY_SUCCEEDED : CD_RELAY_REFUSED,
                                         message ? message->text : CD_STR("") };
        return CD_OK;
}

static cd_status read_json(struct cd_arena *arena, cd_str line, struct cd_relay_answer *ret, struct cd_error *reterr)
{
        const struct cd_json *object, *success, *message;
        cd_status status = cd_json_parse(arena, line, CD_JSON_UNIQUE_NAMES, &object, reterr);

        if (status != CD_OK)
                return status;
        success = cd_json_find(object, CD_STR("success"));
        message = cd_json_find(object, CD_STR("message"));
        if (!success || success->type != CD_JSON_BOOL)
                return fail(reterr, "the object has no \"success\" that is true or false");
        if (message && message->type != CD_JSON_STRING && message->type != CD_JSON_NULL)
                return fail(reterr, "the object's \"message\" is not a string");
        *ret = (struct cd_relay_answer){ cd_str_eq(success->text, CD_STR("true")) ? CD_RELAY_SUCCEEDED
                                                                                  : CD_RELAY_REFUSED,
                                         message && message->type == CD_JSON_STRING ? message->text : CD_STR("") };
        return CD_OK;
}

/* Protocol 0 is ASCII: a dict begins with "(d", a call with the name of a function, and both end with a dot. */
static bool is_old_pickle(cd_str text)
{
        cd_str rest = text, module, name;

        if (!cd_str_has_suffix(text, CD_STR(".")))
                return false;
        if (cd_str_has_prefix(text, CD_STR("(dp")))
                return true;
        return text.ptr[0] == 'c' && cd_str_take_until(&rest, '\n', &module) && cd_str_take_until(&rest, '\n', &name) &&
               rest.ptr && cd_str_index(module, ' ') == module.len && cd_str_index(name, ' ') == name.len;
}

static bool is_plain(cd_str text)
{
        for (size_t i = cd_str_next_control(text, 0); i < text.len; i = cd_str_next_control(text, i + 1))
                if (text.ptr[i] != '\n' && text.ptr[i] != '\r' && text.ptr[i] != '\t')
                        return false;
        return cd_str_is_utf8(text);
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static cd_status read_text(cd_str text, struct cd_relay_answer *ret, struct cd_error *reterr)
{
        while (text.len && is_space(text.ptr[text.len - 1]))
                text.len--;
        if (!text.len)
                return fail(reterr, "there is no answer");
        if (!is_plain(text))
                return fail(reterr, "it has the form of no encoding, and is not UTF-8 text");
        if (is_old_pickle(text))
                return fail(reterr, "it is a pickle of protocol 0; protocols 2 to 5 are supported");
        if (cd_str_has_prefix(text, CD_STR("HTTP/1.")))
                return fail(reterr, "it is an HTTP response: the receiver is a web server");
        *ret = (struct cd_relay_answer){ CD_RELAY_TEXT, text };
        return CD_OK;
}

/* Only an object can begin with a brace in JSON; the text of a receiver hardly does. */
static bool begins_json(cd_str bytes)
{
        size_t i = 0;

        while (i < bytes.len && is_space(bytes.ptr[i]))
                i++;
        return i < bytes.len && bytes.ptr[i] == '{';
}

bool cd_relay_answer_ends(enum cd_relay_encoding encoding, cd_str bytes)
{
        return encoding == CD_RELAY_JSON && begins_json(bytes) && bytes.ptr[bytes.len - 1] == '\n';
}

cd_status cd_relay_read_answer(enum cd_relay_encoding encoding, struct cd_arena *arena, cd_str bytes,
                               struct cd_relay_answer *ret, struct cd_error *reterr)
{
        if (bytes.len > CD_RELAY_ANSWER_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the answer has more than 64 KiB");
        if (cd_pickle_begins(bytes))
                return encoding == CD_RELAY_PICKLE ? read_pickle(arena, bytes, ret, reterr)
                                                   : fail(reterr, "it is a pickle, but \"encoding\" is json");
        if (begins_json(bytes) && encoding == CD_RELAY_JSON)
                return read_json(arena, bytes, ret, reterr);
        if (begins_json(bytes) && read_json(arena, bytes, ret, NULL) == CD_OK)
                return fail(reterr, "it is JSON, but \"encoding\" is pickle");
        return read_text(bytes, ret, reterr);
}
