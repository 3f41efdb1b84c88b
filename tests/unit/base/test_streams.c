/* Each test runs in a child, whose streams are closed. What failed is its exit code. */
#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/streams.h"

/* Bit 1 << fd of `closed`: that one is closed. */
static int in_child(unsigned closed, int (*check)(unsigned closed))
{
        int status;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
                for (int fd = 0; fd <= 2; fd++)
                        if (closed & 1u << fd)
                                close(fd);
                _exit(check(closed));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        return status;
}

static int check_streams(unsigned closed)
{
        char byte = 0;

        if (!cd_open_standard_streams())
                return 1;
        for (int fd = 0; fd <= 2; fd++)
                if (fcntl(fd, F_GETFD) != 0) /* open, and a child gets it */
                        return 2;
        if (dup(0) < 3)
                return 3;
        if (closed & 1 && (read(0, &byte, 1) >= 0 || errno != EBADF))
                return 4;
        if (closed & 2 && (write(1, &byte, 1) >= 0 || errno != EBADF))
                return 5;
        if (closed & 4 && write(2, &byte, 1) != 1)
                return 6;
        return 0;
}

static void lesson_38_closed_standard_streams_are_opened(void **state)
{
        (void)state;
        for (unsigned closed = 0; closed < 8; closed++)
                assert_int_equal(in_child(closed, check_streams), 0);
}

static int check_failure(unsigned closed)
{
        (void)closed;
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, 0 });
        return cd_open_standard_streams() || errno != EMFILE;
}

static void lesson_38_where_none_can_be_opened_it_says_so(void **state)
{
        (void)state;
        assert_int_equal(in_child(2, check_failure), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_38_closed_standard_streams_are_opened),
                cmocka_unit_test(lesson_38_where_none_can_be_opened_it_says_so),
        };
        return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
