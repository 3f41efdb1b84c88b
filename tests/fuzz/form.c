/* Form bodies. What is accepted is printable UTF-8 within its bounds, and survives being encoded and decoded again. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/field.h"
#include "base/percent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct ask {
        cd_str grant_type, scope, password, pem;
        int64_t age, wait, limit;
        bool on;
        int mode;
        struct cd_strs list;
};

#define FIELD(member, kind, ...)                                                                                       \
        {                                                                                                              \
                .name = #member, .offset = offsetof(struct ask, member), .type = CD_FIELD_##kind, __VA_ARGS__          \
        }
static const char *const modes[] = { "plain", "S256", NULL };
static const struct cd_field fields[] = {
        FIELD(grant_type, STRING, .flags = CD_FIELD_REQUIRED, .max = 64),
        FIELD(scope, STRING),
        FIELD(password, SECRET, .min = 2),
        FIELD(pem, SECRET, .flags = CD_FIELD_MULTILINE),
        FIELD(age, INT, .min = -5, .max = 100),
        FIELD(wait, DURATION, .min = 10, .max = 3600000),
        FIELD(limit, SIZE),
        FIELD(on, BOOL),
        FIELD(mode, CHOICE, .choices = modes),
        FIELD(list, STRINGS, .fallback = "a b"),
};
static const struct cd_table table = { "ask", fields, CD_LEN(fields), sizeof(struct ask), false };

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void add_pair(struct cd_buf *buf, const char *name, cd_str value)
{
        if (!value.ptr)
                return;
        cd_buf_add_char(buf, '&');
        cd_buf_add(buf, cd_str_from_c(name));
        cd_buf_add_char(buf, '=');
        cd_percent_encode(buf, value);
}

static void check_accepted(struct cd_arena *arena, const struct ask *ask)
{
        struct ask again;
        struct cd_buf buf;
        cd_str body = { NULL, 0 };

        must(ask->grant_type.ptr && ask->grant_type.len <= 64 && cd_str_is_utf8(ask->grant_type));
        must(cd_str_index(ask->scope, '\0') == ask->scope.len && cd_str_index(ask->scope, '\n') == ask->scope.len);
        must(ask->age >= -5 && ask->age <= 100 && ask->limit >= 0 && (ask->mode == 0 || ask->mode == 1));
        must(ask->wait == 0 || (ask->wait >= 10 && ask->wait <= 3600000));
        cd_buf_init(&buf, arena, 1 << 20);
        add_pair(&buf, "grant_type", ask->grant_type);
        add_pair(&buf, "scope", ask->scope);
        add_pair(&buf, "password", ask->password);
        add_pair(&buf, "pem", ask->pem);
        must(cd_buf_view(&buf, &body) == CD_OK);
        must(cd_form_decode(arena, body, &table, &again, NULL) == CD_OK);
        must(cd_str_eq(again.grant_type, ask->grant_type) && cd_str_eq(again.scope, ask->scope));
        must(cd_str_eq(again.password, ask->password) && cd_str_eq(again.pem, ask->pem));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str body = cd_str_of((const char *)data, size);
        struct cd_error err = { 0 };
        struct cd_arena arena;
        struct ask ask;

        cd_arena_init(&arena, 16 << 20);
        cd_status status = cd_form_decode(&arena, body, &table, &ask, &err);
        if (status == CD_OK)
                check_accepted(&arena, &ask);
        else
                must(status == CD_INVALID_REQUEST && err.reason[0]);
        cd_arena_done(&arena);

        cd_arena_init(&arena, size % 128 * 16);
        cd_status poor = cd_form_decode(&arena, body, &table, &ask, NULL);
        must(poor == status || poor == CD_NO_MEMORY);
        cd_arena_done(&arena);
        return 0;
}
