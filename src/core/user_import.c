#include "core/user_import.h"

#include "base/json.h"

/* The members of a line. */
struct members {
        const struct cd_json *name, *hash, *claims, *disabled;
        const struct cd_json *algorithm, *salt; /* of a BLAKE2b that is spread over the line */
};

struct slot {
        const char *name;
        const struct cd_json **to;
};

static cd_status fail_type(const char *field, const char *reason, struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_from_c(field), reason);
}

static cd_status refuse_unknown(cd_str name, const struct slot *slots, size_t count, struct cd_error *reterr)
{
        for (size_t i = 0; i < count; i++)
                if (cd_str_distance(name, cd_str_from_c(slots[i].name)) <= 2)
                        return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_slice(name, 0, 40),
                                        "unknown member; did you mean \"%s\"?", slots[i].name);
        return cd_fail_field(reterr, CD_INVALID_REQUEST, cd_str_slice(name, 0, 40), "unknown member");
}

/* Puts each member of the object into its slot. null counts as absent. */
static cd_status sort_members(const struct cd_json *object, const struct slot *slots, size_t count,
                              struct cd_error *reterr)
{
        for (const struct cd_json *member = object->child; member; member = member->next) {
                size_t i = 0;
                while (i < count && !cd_str_eq_c(member->name, slots[i].name))
                        i++;
                if (i == count)
                        return refuse_unknown(member->name, slots, count, reterr);
                if (member->type != CD_JSON_NULL)
                        *slots[i].to = member;
        }
        return CD_OK;
}

static bool is_string(const struct cd_json *node)
{
        return node && node->type == CD_JSON_STRING;
}

/* Hex digits in lower case; anything else is left for cd_password_check_form to refuse. */
static void add_hex(struct cd_buf *buf, cd_str hex)
{
        for (size_t i = 0; i < hex.len; i++) {
                char c = hex.ptr[i];
                cd_buf_add_char(buf, c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
        }
}

/* {"algorithm":"blake2b","hash":HEX,"salt":HEX} as a stored form. */
static cd_status read_blake2b(struct cd_arena *arena, const struct members *parts, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        if (!is_string(parts->algorithm))
                return fail_type("algorithm", "must be \"blake2b\" where there is a salt", reterr);
        if (!cd_str_eq(parts->algorithm->text, CD_STR("blake2b")))
                return fail_type("algorithm",
                                 "only blake2b has its salt apart; give any other hash as one text, \"$…\"", reterr);
        if (!is_string(parts->salt))
                return fail_type("salt", "must be a string of hex digits", reterr);
        if (!is_string(parts->hash))
                return fail_type("hash", "must be a string of hex digits", reterr);
        cd_buf_init(&buf, arena, CD_PASSWORD_STORED_MAX);
        cd_buf_add(&buf, CD_STR("$blake2b$"));
        add_hex(&buf, parts->salt->text);
        cd_buf_add_char(&buf, '$');
        add_hex(&buf, parts->hash->text);
        if (cd_buf_view(&buf, ret) != CD_OK)
                return fail_type("hash", "is too long", reterr);
        return CD_OK;
}

static cd_status read_hash(struct cd_arena *arena, const struct members *line, cd_str *ret, struct cd_error *reterr)
{
        struct members parts = { 0 };
        const struct slot slots[] = { { "algorithm", &parts.algorithm },
                                      { "hash", &parts.hash },
                                      { "salt", &parts.salt } };

        if (!line->hash)
                return fail_type("hash", "is missing", reterr);
        if (line->hash->type == CD_JSON_OBJECT) {
                if (line->algorithm || line->salt)
                        return fail_type("hash", "has algorithm and salt inside or beside it, not both", reterr);
                cd_status status = sort_members(line->hash, slots, CD_LEN(slots), reterr);
                return status == CD_OK ? read_blake2b(arena, &parts, ret, reterr) : status;
        }
        if (line->algorithm || line->salt)
                return read_blake2b(arena, line, ret, reterr);
        if (!is_string(line->hash))
                return fail_type("hash", "must be a string, or an object with algorithm, hash and salt", reterr);
        *ret = line->hash->text;
        return CD_OK;
}

static cd_status read_claims(struct cd_arena *arena, const struct cd_json *claims, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        *ret = CD_STR("{}");
        if (!claims)
                return CD_OK;
        if (claims->type != CD_JSON_OBJECT)
                return fail_type("claims", "must be an object", reterr);
        cd_buf_init(&buf, arena, (size_t)4 * CD_USER_LINE_MAX);
        cd_json_write(claims, &buf);
        if (cd_buf_view(&buf, ret) != CD_OK)
                return cd_fail_field(reterr, CD_TOO_LARGE, CD_STR("claims"), "too long");
        return CD_OK;
}

static cd_status read_json(struct cd_arena *arena, cd_str line, struct cd_user_params *ret, struct cd_error *reterr)
{
        struct members members = { 0 };
        const struct slot slots[] = {
                { "name", &members.name },         { "hash", &members.hash },           { "claims", &members.claims },
                { "disabled", &members.disabled }, { "algorithm", &members.algorithm }, { "salt", &members.salt },
        };
        struct cd_user_params params = { 0 };
        const struct cd_json *object;

        cd_status status = cd_json_parse(arena, line, CD_JSON_UNIQUE_NAMES, &object, reterr);
        if (status == CD_OK && object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_MALFORMED, "not a JSON object");
        if (status == CD_OK)
                status = sort_members(object, slots, CD_LEN(slots), reterr);
        if (status != CD_OK)
                return status;
        if (!is_string(members.name) || !members.name->text.len)
                return fail_type("name", members.name ? "must be a string that is not empty" : "is missing", reterr);
        if (members.disabled && members.disabled->type != CD_JSON_BOOL)
                return fail_type("disabled", "must be true or false", reterr);
        params.name = members.name->text;
        params.disabled = members.disabled && members.disabled->text.ptr[0] == 't';
        status = read_hash(arena, &members, &params.stored, reterr);
        if (status == CD_OK)
                status = read_claims(arena, members.claims, &params.claims, reterr);
        if (status == CD_OK)
                *ret = params;
        return status;
}

static cd_status read_htpasswd(cd_str line, struct cd_user_params *ret, struct cd_error *reterr)
{
        cd_str rest = line, name, stored;

        if (!cd_str_take_until(&rest, ':', &name) || !cd_str_take_until(&rest, ':', &stored))
                return cd_fail(reterr, CD_MALFORMED, "not of the form NAME:HASH");
        if (!name.len)
                return fail_type("name", "is missing", reterr);
        *ret = (struct cd_user_params){ .name = name, .stored = stored, .claims = CD_STR("{}") };
        return CD_OK;
}

cd_status cd_user_line_read(struct cd_arena *arena, cd_str line, enum cd_user_format format, struct cd_user_params *ret,
                            struct cd_error *reterr)
{
        if (line.len > CD_USER_LINE_MAX)
                return cd_fail(reterr, CD_TOO_LARGE, "the line is longer than 16384 bytes");
        if (line.len && line.ptr[line.len - 1] == '\r')
                line.len--;
        line = cd_str_trim(line);
        bool is_json =
                format == CD_USER_FORMAT_JSONL || (format == CD_USER_FORMAT_ANY && line.len && line.ptr[0] == '{');
        if (!line.len || (!is_json && line.ptr[0] == '#')) {
                *ret = (struct cd_user_params){ 0 };
                return CD_OK;
        }
        return is_json ? read_json(arena, line, ret, reterr) : read_htpasswd(line, ret, reterr);
}

void cd_user_line_write(const struct cd_user *user, struct cd_buf *buf)
{
        cd_buf_add(buf, CD_STR("{\"name\":"));
        cd_buf_add_json(buf, user->name);
        cd_buf_add(buf, CD_STR(",\"hash\":"));
        cd_buf_add_json(buf, user->password);
        cd_buf_add(buf, CD_STR(",\"claims\":"));
        cd_buf_add(buf, user->claims.len ? user->claims : CD_STR("{}"));
        cd_buf_add(buf, user->disabled ? CD_STR(",\"disabled\":true}\n") : CD_STR(",\"disabled\":false}\n"));
}
