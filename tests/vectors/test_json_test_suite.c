/* JSONTestSuite (github.com/nst/JSONTestSuite): y_ must parse, n_ must be refused, i_ is ours to decide. */
#include "support/check.h"

#include <dirent.h>

#include "vectors.h"

struct count {
        unsigned accepted, refused, free_choice;
};

static cd_str read_file(struct cd_arena *arena, const char *path)
{
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        char *text = cd_arena_alloc(arena, (size_t)st.st_size);
        assert_non_null(text);
        assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
        close(fd);
        return cd_str_of(text, (size_t)st.st_size);
}

static void judge(const char *name, cd_str text, struct count *count)
{
        const struct cd_json *root;
        struct cd_error err = { 0 };
        struct cd_arena arena;

        cd_arena_init(&arena, 8 << 20);
        cd_status plain = cd_json_parse(&arena, text, 0, &root, &err);
        cd_status unique = cd_json_parse(&arena, text, CD_JSON_UNIQUE_NAMES, &root, NULL);
        cd_arena_done(&arena);

        bool has_duplicate = strncmp(name, "y_object_duplicated_key", strlen("y_object_duplicated_key")) == 0;
        if (name[0] == 'y' && (plain != CD_OK || unique != (has_duplicate ? CD_MALFORMED : CD_OK)))
                fail_msg("%s: %d %d %s", name, plain, unique, err.reason);
        if (name[0] == 'n' && plain != CD_MALFORMED && plain != CD_TOO_LARGE)
                fail_msg("%s: accepted", name);
        count->accepted += name[0] == 'y';
        count->refused += name[0] == 'n';
        count->free_choice += name[0] == 'i';
}

static void every_file_is_judged_as_rfc_8259_says(void **state)
{
        struct count count = { 0 };
        struct cd_arena arena;
        char path[4096];

        (void)state;
        snprintf(path, sizeof(path), "%s/JSONTestSuite", vectors_folder());
        DIR *folder = opendir(path);
        assert_non_null(folder);
        cd_arena_init(&arena, 64 << 20);
        for (struct dirent *entry; (entry = readdir(folder));) {
                if (!strstr(entry->d_name, ".json"))
                        continue;
                snprintf(path, sizeof(path), "%s/JSONTestSuite/%s", vectors_folder(), entry->d_name);
                judge(entry->d_name, read_file(&arena, path), &count);
        }
        closedir(folder);
        cd_arena_done(&arena);
        print_message("%u accepted, %u refused, %u of free choice\n", count.accepted, count.refused, count.free_choice);
        assert_true(count.accepted > 90 && count.refused > 180 && count.free_choice > 30);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(every_file_is_judged_as_rfc_8259_says) };

        vectors_need();
        return cmocka_run_group_tests_name("JSONTestSuite", tests, NULL, NULL);
}
