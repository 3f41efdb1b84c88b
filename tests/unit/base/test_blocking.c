#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/blocking.h"

/* Calls cd_may_block in a child of that role; returns its wait status and what it said. */
static int block_as(enum cd_thread_role role, char *said, size_t size)
{
        int fds[2], status;

        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
                signal(SIGABRT, SIG_DFL);
                dup2(fds[1], STDERR_FILENO);
                cd_thread_set_role(role);
                cd_may_block("sqlite: take_code");
                _exit(0);
        }
        close(fds[1]);
        ssize_t n = read(fds[0], said, size - 1);
        said[n > 0 ? n : 0] = '\0';
        close(fds[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static void a_worker_may_block(void **state)
{
        char said[256];

        (void)state;
        assert_int_equal(block_as(CD_THREAD_WORKER, said, sizeof(said)), 0);
        assert_int_equal(block_as(CD_THREAD_OTHER, said, sizeof(said)), 0);
        assert_string_equal(said, "");
}

static void a_blocking_call_on_a_loop_aborts_a_debug_build_by_name(void **state)
{
        char said[256];
        int status = block_as(CD_THREAD_LOOP, said, sizeof(said));

        (void)state;
#ifdef NDEBUG
        (void)status;
        print_message("skipped: this build has NDEBUG, where nothing is checked\n");
        skip();
#else
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_string_equal(said, "blocking call on a loop thread: sqlite: take_code\n");
#endif
}

static void the_role_is_kept(void **state)
{
        (void)state;
        assert_int_equal(cd_thread_get_role(), CD_THREAD_OTHER);
        cd_thread_set_role(CD_THREAD_WORKER);
        assert_int_equal(cd_thread_get_role(), CD_THREAD_WORKER);
        cd_thread_set_role(CD_THREAD_OTHER);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_worker_may_block),
                cmocka_unit_test(a_blocking_call_on_a_loop_aborts_a_debug_build_by_name),
                cmocka_unit_test(the_role_is_kept),
        };
        return cmocka_run_group_tests_name("blocking", tests, NULL, NULL);
}
