/* What the service manager is told, and when it is not: against a socket of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/notify.h"

/* The manager's end of "/PATH" or "@NAME". */
static int open_manager(const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t len = strlen(name);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        memcpy(address.sun_path, name, len);
        if (name[0] == '@')
                address.sun_path[0] = '\0';
        assert_return_code(fd, 0);
        assert_return_code(
                bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)), 0);
        return fd;
}

static struct cd_notify init(const char *name)
{
        struct cd_notify notify;

        assert_return_code(setenv("NOTIFY_SOCKET", name, 1), 0);
        cd_notify_init(&notify);
        assert_null(getenv("NOTIFY_SOCKET"));
        return notify;
}

static void expect_one_datagram(const char *name)
{
        struct cd_error err;
        char text[64] = "";

        int fd = open_manager(name);
        const struct cd_notify notify = init(name);
        assert_int_equal(cd_notify_send(&notify, "READY=1\nSTATUS=serving", &err), CD_OK);
        assert_return_code(recv(fd, text, sizeof(text) - 1, 0), 0);
        assert_string_equal(text, "READY=1\nSTATUS=serving");
        assert_int_equal(recv(fd, text, sizeof(text) - 1, 0), -1);
        close(fd);
}

static void a_socket_with_a_path_gets_one_datagram(void **state)
{
        char folder[] = "/tmp/cardea-notify-XXXXXX", path[64];

        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/socket", folder);
        expect_one_datagram(path);
        unlink(path);
        rmdir(folder);
}

static void an_abstract_socket_gets_one_datagram(void **state)
{
        char name[64];

        (void)state;
        snprintf(name, sizeof(name), "@cardea-notify-%d", (int)getpid());
        expect_one_datagram(name);
}

static void without_a_manager_there_is_nothing_to_tell(void **state)
{
        char too_long[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
        const char *const none[] = { "", "/", "@", "run/systemd/notify", "vsock:2:1234", too_long };
        struct cd_notify notify;
        struct cd_error err;

        (void)state;
        memset(too_long, 'x', sizeof(too_long) - 1);
        too_long[0] = '/';
        too_long[sizeof(too_long) - 1] = '\0';
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
                notify = init(none[i]);
                assert_int_equal(notify.address_len, 0);
        }
        cd_notify_init(&notify); /* the variable is not set any more */
        assert_int_equal(cd_notify_send(&notify, "READY=1", &err), CD_OK);
}

static void a_manager_that_is_gone_is_an_error(void **state)
{
        const struct cd_notify notify = init("/nonexistent/notify");
        struct cd_error err;

        (void)state;
        assert_int_equal(cd_notify_send(&notify, "READY=1", &err), CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the service manager cannot be told: No such file or directory");
}

/* As many datagrams as wait for it, the kernel keeps; the next one blocks its sender. */
static void a_manager_that_reads_nothing_is_waited_for_a_second(void **state)
{
        char name[64];
        struct cd_error err;
        cd_status status = CD_OK;

        (void)state;
        snprintf(name, sizeof(name), "@cardea-notify-%d", (int)getpid());
        int fd = open_manager(name);
        const struct cd_notify notify = init(name);
        for (int i = 0; i < 100000 && status == CD_OK; i++)
                status = cd_notify_send(&notify, "READY=1", &err);
        assert_int_equal(status, CD_UNAVAILABLE);
        assert_string_equal(err.reason, "the service manager cannot be told: Resource temporarily unavailable");
        close(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_socket_with_a_path_gets_one_datagram),
                cmocka_unit_test(an_abstract_socket_gets_one_datagram),
                cmocka_unit_test(without_a_manager_there_is_nothing_to_tell),
                cmocka_unit_test(a_manager_that_is_gone_is_an_error),
                cmocka_unit_test(a_manager_that_reads_nothing_is_waited_for_a_second),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
