#include "support/check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/secret_file.h"

static const char can_read[] = "other users of this machine can read";
static const char can_write[] = "other users of this machine can write";

enum {
        ROOT = 0,
        USER = 1000,
};

/* Every home of a secret that the documents name, and each one step beyond. */
static void lesson_41_who_can_reach_a_file_decides_and_not_its_mode_alone(void **state)
{
        static const struct {
                struct cd_secret_file file; /* mode, owner, on a read-only mount, in memory */
                const char *fault;
        } cases[] = {
                { { 0600, USER, false, false }, NULL },
                { { 0400, USER, false, false }, NULL },
                { { 0700, USER, false, true }, NULL },
                { { 0711, USER, false, false }, NULL },     /* nobody reads by that */
                { { 0640, USER, false, false }, can_read }, /* an ACL for another user looks the same */
                { { 0640, USER, false, true }, can_read },
                { { 0640, USER, true, false }, NULL },     /* a volume of a user namespace */
                { { 0640, ROOT, false, false }, NULL },    /* root:ssl-cert */
                { { 0440, ROOT, true, true }, NULL },      /* Kubernetes with fsGroup; systemd's credentials */
                { { 0440, ROOT, false, true }, NULL },     /* podman */
                { { 0444, ROOT, true, true }, NULL },      /* swarm; Kubernetes by default */
                { { 0444, ROOT, false, true }, can_read }, /* /run and /dev/shm of a machine */
                { { 0444, ROOT, true, false }, can_read }, /* an image or disk that is mounted read-only */
                { { 0644, ROOT, false, false }, can_read },
                { { 0604, USER, false, false }, can_read },
                { { 0660, ROOT, true, true }, can_write },
                { { 0620, ROOT, false, false }, can_write }, /* write alone is enough */
                { { 0602, ROOT, true, true }, can_write },
                { { 0666, USER, false, false }, can_write },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                const char *fault = cd_secret_file_fault(&cases[i].file);
                if (fault != cases[i].fault && (!fault || !cases[i].fault || strcmp(fault, cases[i].fault) != 0))
                        fail_msg("case %zu: %s", i, fault ? fault : "accepted");
        }
}

static void the_fix_is_one_that_the_mount_allows(void **state)
{
        struct cd_arena arena;

        (void)state;
        cd_arena_init(&arena, 4096);
        struct cd_secret_file file = { .mode = 0644 };
        assert_str(cd_secret_file_fix(&file, &arena, CD_STR("/a b")), "chmod 600 /a b");
        file.on_read_only_mount = true;
        assert_str(cd_secret_file_fix(&file, &arena, CD_STR("/run/x")),
                   "give /run/x mode 0440 in the source of the mount");
        cd_arena_done(&arena);
        cd_arena_init(&arena, 1);
        assert_int_equal(cd_secret_file_fix(&file, &arena, CD_STR("/run/x")).len, 0);
        cd_arena_done(&arena);
}

static void a_file_is_seen_as_it_is(void **state)
{
        char path[] = "/tmp/cardea-secret-XXXXXX";
        struct cd_secret_file file;
        int fd = mkstemp(path);

        (void)state;
        assert_true(fd >= 0);
        assert_int_equal(fchmod(fd, 0640), 0);
        assert_true(cd_secret_file_look(fd, &file));
        assert_int_equal(file.mode & 07777, 0640);
        assert_int_equal(file.owner, getuid());
        assert_false(file.on_read_only_mount);
        unlink(path);
        close(fd);
        assert_false(cd_secret_file_look(fd, &file));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_41_who_can_reach_a_file_decides_and_not_its_mode_alone),
                cmocka_unit_test(the_fix_is_one_that_the_mount_allows),
                cmocka_unit_test(a_file_is_seen_as_it_is),
        };
        return cmocka_run_group_tests_name("secret_file", tests, NULL, NULL);
}
