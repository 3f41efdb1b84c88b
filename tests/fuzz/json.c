/* JSON from outside. What is accepted is written out again and must read back as the same text. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* What the parser made holds together. */
static void check_value(const struct cd_json *node)
{
        size_t count = 0;

        must(node->type != CD_JSON_STRING || cd_str_is_utf8(node->text));
        for (const struct cd_json *child = node->child; child; child = child->next, count++) {
                must(node->type != CD_JSON_OBJECT || cd_json_find(node, child->name) != NULL);
                check_value(child);
        }
        must(count == node->count);
}

static cd_str write_text(struct cd_arena *arena, const struct cd_json *root)
{
        struct cd_buf buf;
        cd_str text = { NULL, 0 };

        cd_buf_init(&buf, arena, 16 << 20);
        check_value(root);
        cd_json_write(root, &buf);
        must(cd_buf_view(&buf, &text) == CD_OK);
        return text;
}

/* The check refuses what the parser refuses, but for its bounds and lone surrogates, and takes apart into as many. */
static void compare_check(struct cd_arena *arena, cd_str text, const struct cd_json *root, const struct cd_error *err)
{
        bool is_object = root && root->type == CD_JSON_OBJECT;
        const struct cd_json *node;
        cd_str inside, part;
        size_t count = 0;

        if (cd_json_check(arena, text, NULL) != CD_OK) {
                must(!root);
                return;
        }
        must(root || err->status == CD_TOO_LARGE || strstr(err->reason, "surrogate"));
        if (!root || !cd_json_inside(text, is_object ? '{' : '[', &inside))
                return;
        for (; cd_json_take_part(&inside, &part); count++)
                must(cd_json_parse(arena, part, 0, &node, NULL) == CD_OK);
        must(count == root->count * (is_object ? 2 : 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        cd_str text = cd_str_of((const char *)data, size);
        const struct cd_json *root = NULL, *again = NULL;
        struct cd_error err = { 0 };
        struct cd_arena arena;
        int64_t number;

        cd_arena_init(&arena, 64 << 20);
        bool unique = cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, &err) == CD_OK;
        must(unique || err.reason[0]);
        bool accepted = cd_json_parse(&arena, text, 0, &root, &err) == CD_OK;
        must(accepted || !unique);
        compare_check(&arena, text, accepted ? root : NULL, &err);
        if (accepted) {
                cd_json_int64(root, &number);
                cd_str first = write_text(&arena, root);
                must(cd_json_parse(&arena, first, unique ? CD_JSON_UNIQUE_NAMES : 0, &again, NULL) == CD_OK);
                must(cd_str_eq(write_text(&arena, again), first));
        }
        cd_arena_done(&arena);

        /* So small an arena that every allocation gets its turn to fail. */
        cd_arena_init(&arena, size % 512 * 16);
        if (cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, NULL) == CD_OK)
                must(unique);
        cd_arena_done(&arena);
        return 0;
}
