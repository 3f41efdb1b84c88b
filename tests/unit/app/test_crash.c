#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/crash.h"
#include "base/log.h"

static char folder[] = "/tmp/cardea-test-crash-XXXXXX", path[64];

static struct cd_log_about about_of_test(const void *arg)
{
        (void)arg;
        return (struct cd_log_about){ .request_id = CD_STR("r1"), .user = CD_STR("a\nframe 1") };
}

static void watch(struct cd_arena *arena, cd_str *ret)
{
        const struct cd_crash_options options = { cd_str_from_c(path), CD_STR("cardea@1"), CD_STR("test") };
        struct cd_error err;

        assert_status(cd_crash_watch(&options, arena, ret, &err), CD_OK);
}

/* The signal by which a process ends that does so while it watches and works on a request. */
static int end_of(void (*fault)(void))
{
        pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
                struct cd_arena arena;
                cd_str earlier;
                setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
                cd_arena_init(&arena, 1 << 20);
                watch(&arena, &earlier);
                cd_log_enter((struct cd_log_scope){ about_of_test, NULL });
                fault();
                _exit(99);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* The sanitizers would report the faults themselves; their handlers are replaced. */
__attribute__((no_sanitize("address", "undefined"))) static void read_nowhere(void)
{
        const volatile int *volatile nowhere = (const int *)8;
        (void)*nowhere;
}

static void give_up(void)
{
        abort();
}

static void be_killed(void)
{
        kill(getpid(), SIGBUS);
        pause();
}

static cd_str take_record(struct cd_arena *arena)
{
        cd_str record;

        cd_arena_init(arena, 1 << 20);
        watch(arena, &record);
        cd_crash_forget_earlier();
        cd_crash_done();
        return record;
}

static bool has(cd_str record, const char *text)
{
        return memmem(record.ptr, record.len, text, strlen(text)) != NULL;
}

static void a_fault_leaves_a_record_and_ends_the_process(void **state)
{
        struct cd_arena arena;

        (void)state;
        assert_int_equal(end_of(read_nowhere), SIGSEGV);
        cd_str record = take_record(&arena);
        assert_true(cd_str_has_prefix(record, CD_STR("crash 1\nrelease cardea@1\nenvironment test\nprogram ")));
        assert_true(has(record, "\nsignal 11\ntime "));
        assert_true(has(record, "\naddress 8\nrequest_id r1\nuser a?frame 1\nframe "));
        assert_true(cd_str_has_suffix(record, CD_STR("\nend\n")));
        cd_arena_done(&arena);
        assert_int_equal(take_record(&arena).len, 0); /* it was forgotten */
        cd_arena_done(&arena);
}

static void an_abort_and_a_signal_of_another_process_do_so_too(void **state)
{
        struct cd_arena arena;

        (void)state;
        assert_int_equal(end_of(give_up), SIGABRT);
        assert_int_equal(end_of(be_killed), SIGBUS);
        cd_str record = take_record(&arena);
        assert_true(has(record, "\nsignal 6\n") && has(record, "\nsignal 7\n"));
        assert_false(has(record, "\naddress "));
        cd_arena_done(&arena);
}

/* The status of a process that a fault ends where core dumps are allowed. */
static int status_of_fault(bool is_watched)
{
        pid_t child = fork();
        int status = 0;

        assert_true(child >= 0);
        if (child == 0) {
                struct cd_arena arena;
                cd_str earlier;
                setrlimit(RLIMIT_CORE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
                cd_arena_init(&arena, 1 << 20);
                if (chdir(folder) != 0)
                        _exit(98);
                if (is_watched)
                        watch(&arena, &earlier);
                else
                        signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
                read_nowhere();
                _exit(99);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static void a_core_is_dumped_as_without_the_handler(void **state)
{
        (void)state;
        int expected = status_of_fault(false);
        assert_true(WIFSIGNALED(expected));
        assert_int_equal(status_of_fault(true), expected); /* WCOREDUMP too */
}

static void write_earlier(size_t size)
{
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        for (size_t i = 0; i < size; i++)
                fputc('\n', file);
        assert_int_equal(fclose(file), 0);
}

static off_t size_now(void)
{
        struct stat info;

        assert_int_equal(stat(path, &info), 0);
        return info.st_size;
}

/* A crash at each start, while Sentry cannot be reached. */
static void crashes_that_are_not_reported_fill_the_file_and_no_more(void **state)
{
        const size_t room = 4096;
        struct cd_arena arena;

        (void)state;
        write_earlier(CD_CRASH_FILE_MAX - room);
        assert_int_equal(end_of(give_up), SIGABRT);
        assert_true(size_now() > (off_t)(CD_CRASH_FILE_MAX - room) && size_now() <= CD_CRASH_FILE_MAX);
        cd_str record = take_record(&arena);
        assert_true(has(record, "\nsignal 6\n") && cd_str_has_suffix(record, CD_STR("\nend\n")));
        cd_arena_done(&arena);

        write_earlier(CD_CRASH_FILE_MAX - room + 1);
        assert_int_equal(end_of(give_up), SIGABRT);
        assert_int_equal(size_now(), CD_CRASH_FILE_MAX - room + 1);
}

static void forget_and_give_up(void)
{
        cd_crash_forget_earlier();
        give_up();
}

static void a_full_file_that_was_reported_has_room_again(void **state)
{
        struct cd_arena arena;

        (void)state;
        write_earlier(CD_CRASH_FILE_MAX);
        assert_int_equal(end_of(forget_and_give_up), SIGABRT);
        cd_str record = take_record(&arena);
        assert_true(cd_str_has_prefix(record, CD_STR("crash 1\n")) && has(record, "\nsignal 6\n"));
        cd_arena_done(&arena);
}

/* The longest head and texts, and more frames than are written. */
static struct cd_log_about long_about(const void *arg)
{
        static char text[1024];

        (void)arg;
        memset(text, 'x', sizeof(text));
        const cd_str all = cd_str_of(text, sizeof(text));
        return (struct cd_log_about){ .request_id = all, .client_id = all, .user = all, .session = all };
}

__attribute__((noinline)) static int descend(volatile int depth)
{
        if (depth == 0)
                raise(SIGABRT);
        return depth ? descend(depth - 1) + depth : 0;
}

static void give_up_deep_down(void)
{
        cd_log_enter((struct cd_log_scope){ long_about, NULL });
        descend(200);
}

static void the_longest_report_fits_the_room_that_is_kept_for_it(void **state)
{
        const size_t room = 4096;
        struct cd_arena arena;

        (void)state;
        assert_int_equal(end_of(give_up_deep_down), SIGABRT);
        cd_str record = take_record(&arena);
        assert_true(record.len > room / 2 && record.len <= room - 200); /* the names of a release may be longer */
        assert_true(cd_str_has_suffix(record, CD_STR("\nend\n")));
        cd_arena_done(&arena);
}

static void a_file_that_cannot_be_opened_is_named(void **state)
{
        const struct cd_crash_options options = { CD_STR("/nowhere/cardea.crash"), CD_STR("r"), CD_STR("e") };
        struct cd_arena arena;
        struct cd_error err;
        cd_str earlier;

        (void)state;
        cd_arena_init(&arena, 1 << 16);
        assert_status(cd_crash_watch(&options, &arena, &earlier, &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "/nowhere/cardea.crash cannot be opened: No such file or directory");
        cd_crash_done();
        cd_crash_forget_earlier();
        cd_arena_done(&arena);
}

static int make_folder(void **state)
{
        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/c", folder);
        return 0;
}

static int remove_folder(void **state)
{
        char command[100];

        (void)state;
        snprintf(command, sizeof(command), "rm -rf %s", folder); /* with a core dump, whatever its name is */
        return system(command);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_fault_leaves_a_record_and_ends_the_process),
                cmocka_unit_test(an_abort_and_a_signal_of_another_process_do_so_too),
                cmocka_unit_test(a_core_is_dumped_as_without_the_handler),
                cmocka_unit_test(crashes_that_are_not_reported_fill_the_file_and_no_more),
                cmocka_unit_test(a_full_file_that_was_reported_has_room_again),
                cmocka_unit_test(the_longest_report_fits_the_room_that_is_kept_for_it),
                cmocka_unit_test(a_file_that_cannot_be_opened_is_named),
        };
        return cmocka_run_group_tests_name("crash", tests, make_folder, remove_folder);
}
