#include "gate/readings.h"

#include <string.h>

enum {
        READINGS_MAX = 64,
};

struct reading {
        cd_str path;
        bool was_decoded; /* a "%" in it is no escape any more */
};

struct readings {
        struct cd_arena *arena;
        struct reading items[READINGS_MAX];
        size_t count;
        char *room; /* for one more */
        cd_status status;
        const char *wrong;
};

static void fail(struct readings *r, cd_status status, const char *wrong)
{
        if (r->status == CD_OK) {
                r->status = status;
                r->wrong = wrong;
        }
}

/* ---- what applications do; each writes no more bytes than it reads, and returns how many ---- */

/* The byte of a valid escape at `at`; -1: there is none. */
static int escaped_byte(cd_str path, size_t at)
{
        if (path.ptr[at] != '%' || at + 2 >= path.len)
                return -1;
        int high = cd_hex_value(path.ptr[at + 1]), low = cd_hex_value(path.ptr[at + 2]);
        return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Bad escapes stay, as many decoders have it. */
static size_t decode(cd_str path, char *to)
{
        size_t len = 0;

        for (size_t i = 0; i < path.len; i++) {
                int byte = escaped_byte(path, i);
                to[len++] = byte < 0 ? path.ptr[i] : (char)byte;
                i += byte < 0 ? 0 : 2;
        }
        return len;
}

static size_t turn_backslashes(cd_str path, char *to)
{
        for (size_t i = 0; i < path.len; i++)
                to[i] = path.ptr[i] == '\\' ? '/' : path.ptr[i];
        return path.len;
}

static size_t merge_slashes(cd_str path, char *to)
{
        size_t len = 0;

        for (size_t i = 0; i < path.len; i++)
                if (i == 0 || path.ptr[i] != '/' || path.ptr[i - 1] != '/')
                        to[len++] = path.ptr[i];
        return len;
}

static size_t drop_parameters(cd_str path, char *to)
{
        bool is_parameter = false;
        size_t len = 0;

        for (size_t i = 0; i < path.len; i++) {
                is_parameter = path.ptr[i] != '/' && (is_parameter || path.ptr[i] == ';');
                if (!is_parameter)
                        to[len++] = path.ptr[i];
        }
        return len;
}

static size_t end_at_query(cd_str path, char *to)
{
        size_t len = 0;

        while (len < path.len && path.ptr[len] != '?' && path.ptr[len] != '#') {
                to[len] = path.ptr[len];
                len++;
        }
        return len;
}

static size_t (*const changes[])(cd_str path, char *to) = { decode, turn_backslashes, merge_slashes, drop_parameters,
                                                            end_at_query };

/* ---- all readings ---- */

static bool is_known(const struct readings *r, const struct reading *reading)
{
        for (size_t i = 0; i < r->count; i++)
                if (r->items[i].was_decoded == reading->was_decoded && cd_str_eq(r->items[i].path, reading->path))
                        return true;
        return false;
}

static bool has_dot_segment(cd_str path)
{
        cd_str segment;

        while (cd_str_take_until(&path, '/', &segment))
                if (cd_str_eq(segment, CD_STR(".")) || cd_str_eq(segment, CD_STR("..")))
                        return true;
        return false;
}

static void add(struct readings *r, struct reading reading)
{
        if (is_known(r, &reading))
                return;
        if (r->count == READINGS_MAX)
                return fail(r, CD_INVALID_REQUEST, "the path can be read in too many ways");
        if (has_dot_segment(reading.path))
                return fail(r, CD_INVALID_REQUEST, "the path has a dot segment");
        if (memchr(reading.path.ptr, '\0', reading.path.len))
                return fail(r, CD_INVALID_REQUEST, "the path has an escaped NUL");
        reading.path = cd_arena_copy(r->arena, reading.path);
        if (!reading.path.ptr)
                return fail(r, CD_NO_MEMORY, "no memory for the readings of a path");
        r->items[r->count++] = reading;
}

/* As long as a change of a reading leads to another one; none is longer than the one before. */
static void find_all(struct readings *r)
{
        for (size_t at = 0; at < r->count && r->status == CD_OK; at++)
                for (size_t i = 0; i < CD_LEN(changes) && r->status == CD_OK; i++) {
                        cd_str from = r->items[at].path;
                        cd_str to = cd_str_of(r->room, changes[i](from, r->room));
                        if (!cd_str_eq(to, from))
                                add(r, (struct reading){ to, r->items[at].was_decoded || changes[i] == decode });
                }
}

/* ---- in the form of rules ---- */

static bool is_kept(unsigned char byte)
{
        return byte > ' ' && byte < 0x7f && !strchr("\"#%;<>?\\^`{|}", byte);
}

/* Three bytes for each of the path's are enough. */
static cd_str encode(struct cd_arena *arena, const struct reading *reading)
{
        static const char digits[] = "0123456789ABCDEF";
        char *to = cd_arena_alloc(arena, 3 * reading->path.len + 1);
        size_t len = 0;

        for (size_t i = 0; to && i < reading->path.len; i++) {
                int escaped = reading->was_decoded ? -1 : escaped_byte(reading->path, i);
                unsigned char byte = (unsigned char)(escaped < 0 ? reading->path.ptr[i] : escaped);
                i += escaped < 0 ? 0 : 2;
                if (escaped < 0 && is_kept(byte)) {
                        to[len++] = (char)byte;
                        continue;
                }
                to[len++] = '%';
                to[len++] = digits[byte >> 4];
                to[len++] = digits[byte & 15];
        }
        return to ? cd_str_of(to, len) : (cd_str){ NULL, 0 };
}

static void write_all(struct readings *r, cd_str sent, struct cd_strs *ret)
{
        cd_str *paths = cd_arena_calloc(r->arena, r->count + 1, sizeof(*paths));

        if (!paths)
                return fail(r, CD_NO_MEMORY, "no memory for the readings of a path");
        *ret = (struct cd_strs){ paths, r->count + 1 };
        paths[0] = sent;
        for (size_t i = 0; i < r->count; i++) {
                cd_str path = r->items[i].path;
                if (cd_str_has_control(path) || !cd_str_is_utf8(path))
                        continue;
                paths[1 + i] = encode(r->arena, &r->items[i]);
                if (!paths[1 + i].ptr)
                        return fail(r, CD_NO_MEMORY, "no memory for the readings of a path");
        }
}

static void check_sent(struct readings *r, cd_str sent)
{
        if (sent.len == 0 || sent.ptr[0] != '/' || cd_str_has_prefix(sent, CD_STR("//")))
                return fail(r, CD_INVALID_REQUEST, "the path does not begin with one \"/\"");
        for (size_t i = 0; i < sent.len; i++) {
                unsigned char byte = (unsigned char)sent.ptr[i];
                bool is_bad_escape = byte == '%' && escaped_byte(sent, i) < 0;
                if (byte <= ' ' || byte == 0x7f || byte == '#' || byte == '?' || byte == '\\' || is_bad_escape)
                        return fail(r, CD_INVALID_REQUEST,
                                    "the path has a byte that may not be there, or a bad escape");
        }
}

cd_status cd_gate_readings(struct cd_arena *arena, cd_str sent, struct cd_strs *ret, struct cd_error *reterr)
{
        struct readings r = { .arena = arena, .room = cd_arena_alloc(arena, sent.len + 1) };

        *ret = (struct cd_strs){ 0 };
        if (!r.room)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the readings of a path");
        check_sent(&r, sent);
        if (r.status == CD_OK)
                add(&r, (struct reading){ sent, false });
        find_all(&r);
        if (r.status == CD_OK)
                write_all(&r, sent, ret);
        return r.status == CD_OK ? CD_OK : cd_fail(reterr, r.status, r.wrong);
}

/* ---- deciding ---- */

cd_status cd_gate_judge_readings(struct cd_arena *arena, const struct cd_access *access, cd_str sent,
                                 struct cd_access_request *request, struct cd_access_decision *ret,
                                 struct cd_error *reterr)
{
        struct cd_strs readings;

        *ret = (struct cd_access_decision){ .outcome = CD_ACCESS_DENY, .rule = CD_ACCESS_NO_RULE };
        cd_status status = cd_gate_readings(arena, sent, &readings, reterr);
        if (status != CD_OK)
                return status;
        request->path = sent;
        const struct cd_access_decision as_sent = cd_access_decide(access, request);
        for (size_t i = 1; i < readings.count; i++) {
                request->path = readings.items[i];
                struct cd_access_decision other = cd_access_decide(access, request);
                if (other.rule != as_sent.rule || other.outcome != as_sent.outcome || other.reason != as_sent.reason)
                        return cd_fail(reterr, CD_INVALID_REQUEST,
                                       "the path can be read as one about which the rules decide otherwise");
        }
        request->path = sent;
        *ret = as_sent;
        return CD_OK;
}
