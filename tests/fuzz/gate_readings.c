/* The first bytes of the input say what an application does to a path, in which order, and the rest is a path as it was
 * sent. If it is passed on, the application sees no dot segment, and is below /admin/ only if the rule for it decided. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gate/readings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
        STEPS = 6
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* What an application does, in place; the path has no NUL. */
static void decode(char *path)
{
        char *to = path;

        for (const char *at = path; *at; at++) {
                int high = at[0] == '%' ? cd_hex_value(at[1]) : -1, low = high >= 0 ? cd_hex_value(at[2]) : -1;
                *to++ = low < 0 ? *at : (char)(high << 4 | low);
                at += low < 0 ? 0 : 2;
        }
        *to = 0;
}

static void replace(char *path, const char *from, char by)
{
        for (char *at = path; (at = strstr(at, from)); *at = by)
                memmove(at + 1, at + strlen(from), strlen(at + strlen(from)) + 1);
}

static void drop_parameters(char *path)
{
        for (char *at = path; (at = strchr(at, ';'));)
                memmove(at, at + strcspn(at, "/"), strlen(at + strcspn(at, "/")) + 1);
}

static void change(char *path, uint8_t how)
{
        switch (how % 5) {
        case 0:
                decode(path);
                break;
        case 1:
                replace(path, "\\", '/');
                break;
        case 2:
                while (strstr(path, "//"))
                        replace(path, "//", '/');
                break;
        case 3:
                drop_parameters(path);
                break;
        default:
                path[strcspn(path, "?#")] = 0;
                break;
        }
}

static void check(char *path, bool is_admin)
{
        cd_str rest = cd_str_from_c(path), segment;

        must((strncmp(path, "/admin/", 7) == 0) == is_admin);
        while (cd_str_take_until(&rest, '/', &segment))
                must(!cd_str_eq(segment, CD_STR(".")) && !cd_str_eq(segment, CD_STR("..")));
}

static void judge(const struct cd_access *access, cd_str sent, const uint8_t *steps)
{
        struct cd_access_request request = { .host = CD_STR("a") };
        struct cd_access_decision decision;
        struct cd_error err = { 0 };
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 24);
        cd_status status = cd_gate_judge_readings(&arena, access, sent, &request, &decision, &err);
        char *path = calloc(1, sent.len + 1);
        if (path)
                memcpy(path, sent.ptr, sent.len);
        for (size_t i = 0; path && status == CD_OK && i <= STEPS; i++) {
                check(path, decision.rule == 0);
                if (i < STEPS)
                        change(path, steps[i]);
        }
        free(path);
        cd_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct cd_access_rule rules[] = {
                { .host = CD_STR_INIT("a"), .path = CD_STR_INIT("/admin/") },
                { .host = CD_STR_INIT("a"), .is_public = true },
        };
        struct cd_access *access;

        if (size < STEPS || size > 4096 || cd_access_new(rules, CD_LEN(rules), &access, NULL) != CD_OK)
                return 0;
        judge(access, cd_str_of((const char *)data + STEPS, size - STEPS), data);
        cd_access_free(access);
        return 0;
}
