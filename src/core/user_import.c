#include "core/user_import.h"

#include "base/json.h"
#include "core/user_details.h"

/* The members of a line. */
struct members {
        const struct cd_json *name, *hash, *claims, *display_name, *email, *email_verified, *groups, *totp, *disabled;
        const struct cd_json *algorithm, *salt; /* of a BLAKE2b hash whose parts are members of the line */
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

/* Stores each member of the object in its slot. null counts as absent. */
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

/* Hex digits in lower case; cd_password_check_form rejects anything else. */
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

static cd_status read_string(const struct cd_json *member, const char *field, cd_str *ret, struct cd_error *reterr)
{
        if (!member)
                return CD_OK;
        if (member->type != CD_JSON_STRING)
                return fail_type(field, "must be a string", reterr);
        *ret = member->text;
        return CD_OK;
}

static cd_status read_bool(const struct cd_json *member, const char *field, bool *ret, struct cd_error *reterr)
{
        if (!member)
                return CD_OK;
        if (member->type != CD_JSON_BOOL)
                return fail_type(field, "must be true or false", reterr);
        *ret = member->text.ptr[0] == 't';
        return CD_OK;
}

static cd_status read_groups(struct cd_arena *arena, const struct cd_json *groups, struct cd_strs *ret,
                             struct cd_error *reterr)
{
        if (!groups)
                return CD_OK;
        if (groups->type != CD_JSON_ARRAY)
                return fail_type("groups", "must be an array of strings", reterr);
        cd_str *names = cd_arena_calloc(arena, groups->count + 1, sizeof(*names));
        size_t count = 0;
        if (!names)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        for (const struct cd_json *name = groups->child; name; name = name->next) {
                if (name->type != CD_JSON_STRING)
                        return fail_type("groups", "must be an array of strings", reterr);
                names[count++] = name->text;
        }
        *ret = (struct cd_strs){ names, count };
        return CD_OK;
}

static cd_status read_members(struct cd_arena *arena, const struct members *members, struct cd_user_params *ret,
                              struct cd_error *reterr)
{
        struct cd_user_params params = { .has_provider = true }; /* as an export has them */
        cd_status status;

        if (!is_string(members->name) || !members->name->text.len)
                return fail_type("name", members->name ? "must be a string that is not empty" : "is missing", reterr);
        params.name = members->name->text;
        if ((status = read_bool(members->disabled, "disabled", &params.disabled, reterr)) != CD_OK ||
            (status = read_hash(arena, members, &params.stored, reterr)) != CD_OK ||
            (status = read_claims(arena, members->claims, &params.claims, reterr)) != CD_OK ||
            (status = read_string(members->display_name, "display_name", &params.display_name, reterr)) != CD_OK ||
            (status = read_string(members->email, "email", &params.email, reterr)) != CD_OK ||
            (status = read_bool(members->email_verified, "email_verified", &params.email_verified, reterr)) != CD_OK ||
            (status = read_groups(arena, members->groups, &params.groups, reterr)) != CD_OK ||
            (status = read_string(members->totp, "totp", &params.totp, reterr)) != CD_OK)
                return status;
        if (members->totp && !params.totp.len)
                return fail_type("totp", "is empty; leave it out, or give an otpauth URI", reterr);
        *ret = params;
        return CD_OK;
}

static cd_status read_json(struct cd_arena *arena, cd_str line, struct cd_user_params *ret, struct cd_error *reterr)
{
        struct members members = { 0 };
        const struct slot slots[] = {
                { "name", &members.name },         { "hash", &members.hash },
                { "claims", &members.claims },     { "display_name", &members.display_name },
                { "email", &members.email },       { "email_verified", &members.email_verified },
                { "groups", &members.groups },     { "totp", &members.totp },
                { "disabled", &members.disabled }, { "algorithm", &members.algorithm },
                { "salt", &members.salt },
        };
        const struct cd_json *object;

        cd_status status = cd_json_parse(arena, line, CD_JSON_UNIQUE_NAMES, &object, reterr);
        if (status == CD_OK && object->type != CD_JSON_OBJECT)
                return cd_fail(reterr, CD_MALFORMED, "not a JSON object");
        if (status == CD_OK)
                status = sort_members(object, slots, CD_LEN(slots), reterr);
        return status == CD_OK ? read_members(arena, &members, ret, reterr) : status;
}

static cd_status read_htpasswd(cd_str line, struct cd_user_params *ret, struct cd_error *reterr)
{
        cd_str rest = line, name, stored;

        if (!cd_str_take_until(&rest, ':', &name) || !cd_str_take_until(&rest, ':', &stored))
                return cd_fail(reterr, CD_MALFORMED,
                               "not of the form NAME:HASH; for a users file of Authelia, add --format authelia");
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
        if (user->display_name.len) {
                cd_buf_add(buf, CD_STR(",\"display_name\":"));
                cd_buf_add_json(buf, user->display_name);
        }
        if (user->email.len) {
                cd_buf_add(buf, CD_STR(",\"email\":"));
                cd_buf_add_json(buf, user->email);
                cd_buf_add(buf, user->email_verified ? CD_STR(",\"email_verified\":true")
                                                     : CD_STR(",\"email_verified\":false"));
        }
        if (user->groups.count) {
                cd_buf_add(buf, CD_STR(",\"groups\":"));
                cd_json_write_strs(user->groups, buf);
        }
        cd_buf_add(buf, user->disabled ? CD_STR(",\"disabled\":true}\n") : CD_STR(",\"disabled\":false}\n"));
}
