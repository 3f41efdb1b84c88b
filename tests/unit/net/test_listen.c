#include "support/check.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/listen.h"

/* Sockets of this machine, each on a port or a path of its own. */

static char folder[] = "/tmp/cardea-listen-XXXXXX";

static int make_folder(void **state)
{
        (void)state;
        return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
        (void)state;
        return rmdir(folder);
}

static cd_str path_of(const char *name)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return cd_str_from_c(path);
}

static struct sockaddr_storage loopback4(uint16_t port)
{
        struct sockaddr_storage storage = { 0 };
        struct sockaddr_in *in = (struct sockaddr_in *)&storage;

        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in->sin_port = htons(port);
        return storage;
}

static struct sockaddr_storage any6(void)
{
        struct sockaddr_storage storage = { 0 };
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;

        in6->sin6_family = AF_INET6;
        in6->sin6_addr = in6addr_any;
        return storage;
}

static int option_of(int fd, int level, int name)
{
        int value = -1;
        socklen_t size = sizeof(value);

        assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
        return value;
}

/* -1: refused. */
static int connect_to(const struct sockaddr *address, socklen_t size)
{
        int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        if (connect(fd, address, size) == 0)
                return fd;
        assert_int_equal(errno, ECONNREFUSED);
        close(fd);
        return -1;
}

static int connect_to4(const struct sockaddr_storage *address)
{
        return connect_to((const struct sockaddr *)address, sizeof(struct sockaddr_in));
}

static int connect_to_path(cd_str path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        memcpy(address.sun_path, path.ptr, path.len);
        return connect_to((const struct sockaddr *)&address, sizeof(address));
}

/* ---- TCP ---- */

static void the_port_that_it_got_is_written_back(void **state)
{
        struct sockaddr_storage address = loopback4(0), again;
        struct cd_error err = { 0 };
        char text[CD_LISTEN_TEXT_MAX];
        int fd, other;

        (void)state;
        assert_status(cd_listen_open(&address, false, false, &fd, &err), CD_OK);
        assert_int_not_equal(cd_socket_port(&address), 0);
        assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEADDR), 1);
        assert_int_equal(option_of(fd, SOL_SOCKET, SO_REUSEPORT), 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(listen(fd, 1), 0);
        again = address;
        assert_status(cd_listen_open(&again, false, false, &other, &err), CD_UNAVAILABLE);
        assert_string_equal(err.field, "listen");
        snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)cd_socket_port(&address));
        assert_memory_equal(err.reason, text, strlen(text));
        assert_non_null(strstr(err.reason, "cannot be listened on"));
        assert_non_null(strstr(err.reason, strerror(EADDRINUSE)));
        close(fd);
}

static void a_shared_port_has_a_socket_for_each(void **state)
{
        struct sockaddr_storage address = loopback4(0);
        int fds[3];

        (void)state;
        for (size_t i = 0; i < CD_LEN(fds); i++) {
                assert_status(cd_listen_open(&address, true, false, &fds[i], NULL), CD_OK);
                assert_int_equal(listen(fds[i], 1), 0);
        }
        for (size_t i = 0; i < CD_LEN(fds); i++)
                close(fds[i]);
}

static void ipv6_takes_ipv4_too_unless_told_otherwise(void **state)
{
        (void)state;
        for (int only = 0; only < 2; only++) {
                struct sockaddr_storage address = any6();
                int fd;
                cd_status status = cd_listen_open(&address, false, only, &fd, NULL);
                if (status != CD_OK)
                        skip(); /* this machine has no IPv6 */
                assert_int_equal(option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY), only);
                close(fd);
        }
}

static void an_address_is_shown_with_its_port(void **state)
{
        struct sockaddr_storage address = loopback4(5001), wildcard = any6();
        char text[CD_LISTEN_TEXT_MAX];

        (void)state;
        cd_listen_format(&address, text);
        assert_string_equal(text, "127.0.0.1:5001");
        cd_listen_format(&wildcard, text);
        assert_string_equal(text, "[::]:0");
}

/* ---- Unix sockets ---- */

static struct cd_listen_unix wanted(const char *name)
{
        return (struct cd_listen_unix){ .path = path_of(name), .mode = -1 };
}

static void expect_mode(cd_str path, unsigned mode)
{
        struct stat found;

        assert_int_equal(lstat(path.ptr, &found), 0);
        assert_true(S_ISSOCK(found.st_mode));
        assert_int_equal(found.st_mode & 0777, mode);
}

static void a_unix_socket_has_the_mode_that_was_asked_for(void **state)
{
        mode_t before = umask(0027);
        struct cd_listen_unix options = wanted("a");
        struct cd_listen_file file;
        int fd;

        (void)state;
        assert_status(cd_listen_open_unix(&options, &fd, &file, NULL), CD_OK);
        expect_mode(options.path, 0750); /* by the umask */
        cd_listen_remove_unix(options.path, &file);
        close(fd);
        options.mode = 0666;
        assert_status(cd_listen_open_unix(&options, &fd, &file, NULL), CD_OK);
        expect_mode(options.path, 0666);
        cd_listen_remove_unix(options.path, &file);
        close(fd);
        options.mode = 0;
        assert_status(cd_listen_open_unix(&options, &fd, &file, NULL), CD_OK);
        expect_mode(options.path, 0);
        cd_listen_remove_unix(options.path, &file);
        close(fd);
        assert_int_equal(umask(before), 0027); /* as it was */
}

static void a_group_is_one_of_this_machine(void **state)
{
        char longest[64 + 1];
        struct cd_listen_unix options = wanted("a");
        struct cd_listen_file file;
        struct cd_error err = { 0 };
        int fd;

        (void)state;
        options.group = CD_STR("no-such-group");
        assert_status(cd_listen_open_unix(&options, &fd, &file, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "group: \"no-such-group\" is not a group of this machine");
        assert_int_equal(access(options.path.ptr, F_OK), -1); /* no socket with other rights stays */
        memset(longest, 'g', sizeof(longest));
        options.group = cd_str_of(longest, 63);
        assert_status(cd_listen_open_unix(&options, &fd, &file, &err), CD_INVALID_REQUEST);
        assert_non_null(strstr(err.reason, "is not a group of this machine"));
        options.group = cd_str_of(longest, 64);
        assert_status(cd_listen_open_unix(&options, &fd, &file, &err), CD_INVALID_REQUEST);
        assert_string_equal(err.reason, "group: the name is too long");
}

static void a_socket_with_a_group_has_no_more_rights_than_it_needs(void **state)
{
        struct cd_listen_unix options = wanted("a");
        struct cd_listen_file file;
        struct stat found;
        int fd;

        (void)state;
        if (geteuid() != 0)
                skip();
        options.group = CD_STR("daemon");
        assert_status(cd_listen_open_unix(&options, &fd, &file, NULL), CD_OK);
        expect_mode(options.path, 0600);
        assert_int_equal(lstat(options.path.ptr, &found), 0);
        assert_int_equal(found.st_gid, 1);
        cd_listen_remove_unix(options.path, &file);
        close(fd);
}

static void an_old_socket_is_replaced_only_when_nobody_answers(void **state)
{
        struct cd_listen_unix options = wanted("a");
        struct cd_listen_file file, second_file;
        struct cd_error err = { 0 };
        int first, second;

        (void)state;
        assert_status(cd_listen_open_unix(&options, &first, &file, NULL), CD_OK);
        assert_int_equal(listen(first, 1), 0);
        assert_status(cd_listen_open_unix(&options, &second, &second_file, &err), CD_UNAVAILABLE);
        assert_non_null(strstr(err.reason, "another program answers there"));
        close(first);
        assert_status(cd_listen_open_unix(&options, &second, &second_file, NULL), CD_OK);
        /* What the first made is there no more, so the first removes nothing. */
        cd_listen_remove_unix(options.path, &(struct cd_listen_file){ file.device + 1, second_file.inode });
        cd_listen_remove_unix(options.path, &(struct cd_listen_file){ second_file.device, second_file.inode + 1 });
        cd_listen_remove_unix(options.path, &(struct cd_listen_file){ second_file.device, 0 });
        assert_int_equal(access(options.path.ptr, F_OK), 0);
        cd_listen_remove_unix(options.path, &second_file);
        assert_int_equal(access(options.path.ptr, F_OK), -1);
        close(second);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
        struct cd_listen_unix options = wanted("file");
        struct cd_listen_file made;
        struct cd_error err = { 0 };
        int fd = open(options.path.ptr, O_CREAT | O_CLOEXEC | O_WRONLY, 0600);

        (void)state;
        assert_true(fd >= 0);
        close(fd);
        assert_status(cd_listen_open_unix(&options, &fd, &made, &err), CD_UNAVAILABLE);
        assert_non_null(strstr(err.reason, "the path is not a socket"));
        assert_int_equal(unlink(options.path.ptr), 0);
        options.path = path_of("no-folder/a");
        assert_status(cd_listen_open_unix(&options, &fd, &made, &err), CD_UNAVAILABLE);
        assert_string_equal(err.field, "listen");
        assert_non_null(strstr(err.reason, strerror(ENOENT)));
}

static void a_path_has_at_most_107_bytes(void **state)
{
        char path[108 + 1];
        struct cd_listen_unix options = { .path = { path, 107 }, .mode = -1 };
        struct cd_listen_file file;
        struct cd_error err = { 0 };
        int fd;

        (void)state;
        memset(path, 0, sizeof(path));
        memset(path, 'a', 108);
        memcpy(path, folder, strlen(folder));
        path[strlen(folder)] = '/';
        options.path.len = 108;
        assert_status(cd_listen_open_unix(&options, &fd, &file, &err), CD_INVALID_REQUEST);
        cd_listen_remove_unix(options.path, &(struct cd_listen_file){ 1, 1 });
        options.path.len = 107;
        path[107] = '\0';
        assert_status(cd_listen_open_unix(&options, &fd, &file, &err), CD_OK);
        cd_listen_remove_unix(options.path, &file);
        assert_int_equal(access(path, F_OK), -1);
        close(fd);
}

/* ---- sockets of systemd ---- */

/* Descriptors from 3 on are what systemd passes; a child of the test has them. Returns what `check` does, or -1. */
static int in_child(int (*check)(void))
{
        pid_t child = fork();
        int status = -1;

        if (child == 0) {
                char pid[16];
                int stream = socket(AF_INET, SOCK_STREAM, 0), local = socket(AF_UNIX, SOCK_STREAM, 0),
                    datagram = socket(AF_INET, SOCK_DGRAM, 0), fds[] = { stream, local, datagram };
                for (int i = 0; i < 3; i++)
                        fds[i] = fcntl(fds[i], F_DUPFD, 100);
                for (int i = 0; i < 3; i++)
                        dup2(fds[i], 3 + i);
                snprintf(pid, sizeof(pid), "%d", (int)getpid());
                setenv("LISTEN_PID", pid, 1);
                setenv("LISTEN_FDS", "3", 1);
                setenv("LISTEN_FDNAMES", "http:local:datagram:beyond", 1);
                _exit(check());
        }
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* 0: taken, 1: taken, of Unix, 2: not passed, 3: no stream. */
static int take(const char *name)
{
        struct cd_error err = { 0 };
        bool is_unix = false;
        int fd = -1;
        cd_status status = cd_listen_take_systemd(cd_str_from_c(name), &fd, &is_unix, &err);

        if (status != CD_OK)
                return strstr(err.reason, "passed no socket with this name") ? 2 : 3;
        int nodelay = 0;
        socklen_t size = sizeof(nodelay);
        if (fd < 6 || !(fcntl(fd, F_GETFL) & O_NONBLOCK) || !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
                return 4;
        if (!is_unix && (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size) != 0 || !nodelay))
                return 5;
        return is_unix;
}

static int take_each(void)
{
        return take("http") * 1000 + take("local") * 100 + take("datagram") * 10 + take("beyond") == 132 ? 0 : 1;
}

static int take_with(const char *variable, const char *value)
{
        if (value)
                setenv(variable, value, 1);
        else
                unsetenv(variable);
        return take("http");
}

static int without_pid(void)
{
        return take_with("LISTEN_PID", NULL);
}

static int with_another_pid(void)
{
        return take_with("LISTEN_PID", "1");
}

static int with_no_number_as_pid(void)
{
        return take_with("LISTEN_PID", "x");
}

static int without_count(void)
{
        return take_with("LISTEN_FDS", NULL);
}

static int with_a_count_of_0(void)
{
        return take_with("LISTEN_FDS", "0");
}

static int with_no_number_as_count(void)
{
        return take_with("LISTEN_FDS", "x");
}

static int with_fewer_names(void)
{
        setenv("LISTEN_FDNAMES", "http", 1);
        return take("local");
}

static void what_systemd_passes_is_found_by_its_name(void **state)
{
        (void)state;
        assert_int_equal(in_child(take_each), 0);
        assert_int_equal(in_child(without_pid), 2);
        assert_int_equal(in_child(with_another_pid), 2);
        assert_int_equal(in_child(with_no_number_as_pid), 2);
        assert_int_equal(in_child(without_count), 2);
        assert_int_equal(in_child(with_a_count_of_0), 2);
        assert_int_equal(in_child(with_no_number_as_count), 2);
        assert_int_equal(in_child(with_fewer_names), 2);
}

/* ---- accepting ---- */

static struct cd_loop loop;
static uint64_t now;
static struct cd_acceptor acceptor;
static struct sockaddr_storage where;
static int accepted_count, paused_count, resumed_count, last_error;
static bool peer_is_known;

static uint64_t fixed_clock(const struct cd_loop *of)
{
        (void)of;
        return now;
}

static void on_accepted(struct cd_acceptor *of, int fd, const struct cd_address *peer)
{
        (void)of;
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        peer_is_known = peer != NULL;
        accepted_count++;
        close(fd);
}

static void on_paused(struct cd_acceptor *of, int error)
{
        (void)of;
        last_error = error;
        paused_count++;
}

static void on_resumed(struct cd_acceptor *of)
{
        (void)of;
        resumed_count++;
}

static const struct cd_acceptor_events events = {
        .accepted = on_accepted,
        .paused = on_paused,
        .resumed = on_resumed,
};

static int set_up(void **state)
{
        int fd;

        (void)state;
        now = 1000;
        accepted_count = paused_count = resumed_count = last_error = 0;
        where = loopback4(0);
        acceptor = (struct cd_acceptor){ .events = &events };
        if (cd_loop_init(&loop, NULL, NULL, NULL) != CD_OK || cd_listen_open(&where, false, false, &fd, NULL) != CD_OK)
                return -1;
        loop.clock = fixed_clock;
        cd_wheel_init(&loop.wheel, now);
        return cd_acceptor_start(&acceptor, &loop, fd, NULL) == CD_OK ? 0 : -1;
}

static int tear_down(void **state)
{
        (void)state;
        cd_acceptor_close(&acceptor);
        cd_loop_done(&loop);
        return 0;
}

/* As many that the kernel has and nobody has accepted. */
static void connect_many(int count)
{
        for (int i = 0; i < count; i++) {
                int fd = connect_to4(&where);
                assert_true(fd >= 0);
                close(fd);
        }
}

static void what_waits_is_accepted_64_in_a_turn(void **state)
{
        (void)state;
        connect_many(65);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 64);
        assert_true(peer_is_known);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 65);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 65);
        assert_int_equal(paused_count + resumed_count, 0);
}

/* Or they would be reset: some have sent their request already. */
static void what_waits_when_it_ends_is_accepted_first(void **state)
{
        (void)state;
        connect_many(200);
        cd_acceptor_finish(&acceptor);
        assert_int_equal(accepted_count, 200);
        assert_int_equal(connect_to4(&where), -1);
        cd_acceptor_finish(&acceptor); /* again: nothing */
        cd_acceptor_close(&acceptor);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 200);
}

static void a_close_accepts_nothing(void **state)
{
        (void)state;
        connect_many(1);
        cd_acceptor_close(&acceptor);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 0);
        assert_int_equal(connect_to4(&where), -1);
}

/* The process may open no more descriptors, which is told once until all that waited has been accepted. */
static void accepting_pauses_while_descriptors_are_out(void **state)
{
        struct rlimit before, none;

        (void)state;
        connect_many(2);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        cd_loop_turn(&loop);
        assert_int_equal(paused_count, 1);
        assert_int_equal(last_error, EMFILE);
        now += 1000;
        cd_loop_turn(&loop); /* tries again, and says nothing new */
        cd_loop_turn(&loop);
        assert_int_equal(paused_count, 1);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 0); /* not before its time */
        now += 1000;
        cd_loop_turn(&loop);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 2);
        assert_int_equal(resumed_count, 1);
        connect_many(1);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 3);
        assert_int_equal(paused_count + resumed_count, 2);
}

static void a_closed_one_does_not_resume(void **state)
{
        struct rlimit before, none;

        (void)state;
        connect_many(1);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        cd_loop_turn(&loop);
        cd_acceptor_finish(&acceptor);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(paused_count, 1);
        assert_int_equal(resumed_count, 1); /* its pause is over with it */
        assert_int_equal(loop.wheel.count, 0);
        now += 1000;
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 0);
}

static void peers_of_a_unix_socket_have_no_address(void **state)
{
        struct cd_acceptor own = { .events = &events };
        struct cd_listen_unix options = wanted("a");
        struct cd_listen_file file;
        int fd;

        (void)state;
        assert_status(cd_listen_open_unix(&options, &fd, &file, NULL), CD_OK);
        assert_status(cd_acceptor_start(&own, &loop, fd, NULL), CD_OK);
        fd = connect_to_path(options.path);
        cd_loop_turn(&loop);
        assert_int_equal(accepted_count, 1);
        assert_false(peer_is_known);
        close(fd);
        cd_acceptor_close(&own);
        cd_loop_turn(&loop); /* until when libuv has it */
        cd_listen_remove_unix(options.path, &file);
}

static void what_cannot_listen_is_an_error_and_closed(void **state)
{
        struct cd_acceptor own = { .events = &events };
        struct cd_error err = { 0 };
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void)state;
        assert_status(cd_acceptor_start(&own, &loop, fd, &err), CD_UNAVAILABLE);
        assert_string_equal(err.field, "listen");
        assert_non_null(strstr(err.reason, "listen: "));
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        cd_acceptor_close(&own); /* nothing is open */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_port_that_it_got_is_written_back),
                cmocka_unit_test(a_shared_port_has_a_socket_for_each),
                cmocka_unit_test(ipv6_takes_ipv4_too_unless_told_otherwise),
                cmocka_unit_test(an_address_is_shown_with_its_port),
                cmocka_unit_test(a_unix_socket_has_the_mode_that_was_asked_for),
                cmocka_unit_test(a_group_is_one_of_this_machine),
                cmocka_unit_test(a_socket_with_a_group_has_no_more_rights_than_it_needs),
                cmocka_unit_test(an_old_socket_is_replaced_only_when_nobody_answers),
                cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
                cmocka_unit_test(a_path_has_at_most_107_bytes),
                cmocka_unit_test(what_systemd_passes_is_found_by_its_name),
                TEST(what_waits_is_accepted_64_in_a_turn),
                TEST(what_waits_when_it_ends_is_accepted_first),
                TEST(a_close_accepts_nothing),
                TEST(accepting_pauses_while_descriptors_are_out),
                TEST(a_closed_one_does_not_resume),
                TEST(peers_of_a_unix_socket_have_no_address),
                TEST(what_cannot_listen_is_an_error_and_closed),
        };
        return cmocka_run_group_tests_name("net/listen", tests, make_folder, remove_folder);
}
