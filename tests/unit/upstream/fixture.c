#include "fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct cd_loop loop;
uint64_t now;
static size_t descriptors;

const struct cd_http_header host_field = { CD_STR_INIT("Host"), CD_STR_INIT("app.example") };

/* ---- the loop ---- */

static uint64_t fixed_clock(const struct cd_loop *of)
{
        (void)of;
        return now;
}

size_t count_descriptors(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t count = 0;

        assert_non_null(dir);
        while (readdir(dir))
                count++;
        closedir(dir);
        return count;
}

int setup(void **state)
{
        struct cd_error error;

        (void)state;
        signal(SIGPIPE, SIG_IGN);
        if (descriptors == 0) { /* libuv opens a few for the process */
                if (cd_loop_init(&loop, NULL, NULL, &error) != CD_OK)
                        return -1;
                cd_loop_done(&loop);
        }
        descriptors = count_descriptors();
        now = 1000 * 1000;
        if (cd_loop_init(&loop, NULL, NULL, &error) != CD_OK)
                return -1;
        loop.clock = fixed_clock;
        cd_wheel_init(&loop.wheel, now);
        return 0;
}

int teardown(void **state)
{
        (void)state;
        cd_loop_done(&loop);
        return count_descriptors() == descriptors ? 0 : -1;
}

void turn(void)
{
        cd_loop_turn(&loop);
}

void wait_and_turn(void)
{
        struct pollfd poll_fd = { .fd = uv_backend_fd(&loop.uv), .events = POLLIN };

        turn();
        poll(&poll_fd, 1, 2);
}

void pass(int64_t ms)
{
        now += (uint64_t)ms;
        turn();
        turn();
}

/* ---- the client ---- */

static struct client *note(struct cd_upstream_call *call, char event)
{
        struct client *client = cd_upstream_owner(call);
        size_t len = strlen(client->events);

        assert_false(client->in_call);
        assert_ptr_equal(client->call, call);
        if (event == '.' && len > 0 && client->events[len - 1] == '.')
                return client;
        assert_true(len + 1 < sizeof(client->events));
        client->events[len] = event;
        client->events[len + 1] = '\0';
        return client;
}

static void tell(struct client *client, char event)
{
        if (client->on_event)
                client->on_event(client, event);
}

static void on_ready(struct cd_upstream_call *call)
{
        tell(note(call, 'r'), 'r');
}

static void on_drained(struct cd_upstream_call *call)
{
        tell(note(call, 'd'), 'd');
}

static void write_fields(char *to, size_t size, const struct cd_http_header *fields, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                size_t len = strlen(to);
                snprintf(to + len, size - len, "%.*s: %.*s\n", CD_STR_ARG(fields[i].name), CD_STR_ARG(fields[i].value));
        }
}

static void on_head(struct cd_upstream_call *call, const struct cd_upstream_head *head)
{
        struct client *client = note(call, 'h');
        cd_str address = cd_upstream_address(call);

        client->status = head->status;
        client->length = head->length;
        write_fields(client->headers, sizeof(client->headers), head->headers, head->header_count);
        snprintf(client->address, sizeof(client->address), "%.*s", CD_STR_ARG(address));
        tell(client, 'h');
}

static void on_data(struct cd_upstream_call *call, cd_str bytes)
{
        struct client *client = note(call, '.');

        assert_true(bytes.len > 0);
        cd_buf_add(&client->body, bytes);
        tell(client, '.');
}

static void on_end(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count)
{
        struct client *client = note(call, 'e');

        write_fields(client->trailers, sizeof(client->trailers), trailers, trailer_count);
        if (client->status != 101)
                client->call = NULL;
        tell(client, 'e');
}

static void on_failed(struct cd_upstream_call *call, enum cd_upstream_failure failure, cd_str reason)
{
        struct client *client = note(call, 'f');
        cd_str address = cd_upstream_address(call);

        client->failure = failure;
        snprintf(client->reason, sizeof(client->reason), "%.*s", CD_STR_ARG(reason));
        snprintf(client->address, sizeof(client->address), "%.*s", CD_STR_ARG(address));
        client->call = NULL;
        tell(client, 'f');
}

const struct cd_upstream_events client_events = {
        .ready = on_ready,
        .drained = on_drained,
        .head = on_head,
        .data = on_data,
        .end = on_end,
        .failed = on_failed,
};

struct cd_upstream_request get_request(void)
{
        return (struct cd_upstream_request){
                .method = CD_STR("GET"),
                .target = CD_STR("/"),
                .fields = &host_field,
                .field_count = 1,
                .is_idempotent = true,
        };
}

struct cd_upstream_request post_request(int64_t length)
{
        return (struct cd_upstream_request){
                .method = CD_STR("POST"),
                .target = CD_STR("/"),
                .fields = &host_field,
                .field_count = 1,
                .length = length,
                .has_length = true,
        };
}

void start(struct client *client, struct cd_upstream *upstream, const struct cd_upstream_request *request)
{
        void (*on_event)(struct client * client, char event) = client->on_event;
        void *arg = client->arg;

        *client = (struct client){ .on_event = on_event, .arg = arg, .in_call = true };
        cd_buf_init(&client->body, NULL, 64 * 1024 * 1024);
        client->call = cd_upstream_start(upstream, &loop, request, &client_events, client);
        assert_non_null(client->call);
        client->in_call = false;
}

bool push_bytes(struct client *client, cd_str bytes)
{
        client->in_call = true;
        bool has_room = cd_upstream_push(client->call, bytes);
        client->in_call = false;
        return has_room;
}

bool push(struct client *client, const char *bytes)
{
        return push_bytes(client, cd_str_from_c(bytes));
}

void push_end(struct client *client)
{
        client->in_call = true;
        cd_upstream_push_end(client->call, NULL, 0);
        client->in_call = false;
}

void cancel(struct client *client)
{
        client->in_call = true;
        cd_upstream_cancel(client->call);
        client->in_call = false;
        client->call = NULL;
}

void done(struct client *client)
{
        assert_null(client->call);
        cd_buf_done(&client->body);
}

/* ---- the server ---- */

static int new_socket(int family)
{
        int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        return fd;
}

struct server listen_tcp(void)
{
        struct server server = { .fd = new_socket(AF_INET) };
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);

        assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(server.fd, 64), 0);
        assert_int_equal(getsockname(server.fd, (struct sockaddr *)&address, &len), 0);
        server.port = ntohs(address.sin_port);
        return server;
}

struct server listen_unix(void)
{
        struct server server = { .fd = new_socket(AF_UNIX) };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char dir[] = "/tmp/cardea-upstream-XXXXXX";

        assert_non_null(mkdtemp(dir));
        snprintf(server.path, sizeof(server.path), "%s/s", dir);
        strcpy(address.sun_path, server.path);
        assert_int_equal(bind(server.fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(server.fd, 64), 0);
        return server;
}

void stop_listening(struct server *server)
{
        close(server->fd);
        server->fd = -1;
        if (!server->path[0])
                return;
        unlink(server->path);
        *strrchr(server->path, '/') = '\0';
        rmdir(server->path);
}

struct cd_upstream_options options_for(const struct server *server, bool is_uwsgi)
{
        static char url[128];

        if (server->path[0])
                snprintf(url, sizeof(url), "%s:%s", is_uwsgi ? "uwsgi+unix" : "unix", server->path);
        else
                snprintf(url, sizeof(url), "%s://127.0.0.1:%u", is_uwsgi ? "uwsgi" : "http", server->port);
        return (struct cd_upstream_options){
                .url = cd_str_from_c(url),
                .connect_ms = 5 * 1000,
                .first_byte_ms = 60 * 1000,
                .idle_ms = 30 * 1000,
                .head_max = 32 * 1024,
                .buffer_size = 65535,
                .keep = 8,
                .keep_idle_ms = 55 * 1000,
                .keep_age_ms = 3600 * 1000,
        };
}

struct cd_upstream *upstream_for(const struct server *server)
{
        struct cd_upstream_options options = options_for(server, false);
        struct cd_upstream *upstream;

        assert_status(cd_upstream_new(&options, &upstream, NULL), CD_OK);
        return upstream;
}

bool has_connection(const struct server *server)
{
        struct pollfd poll_fd = { .fd = server->fd, .events = POLLIN };

        return poll(&poll_fd, 1, 0) == 1;
}

int accept_one(const struct server *server)
{
        turn_until(has_connection(server));
        int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

size_t read_some(int fd, char *to, size_t size)
{
        ssize_t count = recv(fd, to, size, MSG_DONTWAIT);

        if (count < 0 && errno == EAGAIN)
                return 0;
        assert_true(count > 0);
        return (size_t)count;
}

void expect(int fd, const char *text)
{
        static char got[8192];
        size_t len = 0, wanted = strlen(text);

        assert_true(wanted < sizeof(got));
        for (int turns = 0; len < wanted; turns++) {
                if (turns == 2000)
                        fail_msg("only \"%.*s\" came", (int)len, got);
                len += read_some(fd, got + len, wanted - len);
                wait_and_turn();
        }
        got[len] = '\0';
        assert_string_equal(got, text);
}

const char *read_until(int fd, const char *text)
{
        static char got[128 * 1024];
        size_t len = 0;

        got[0] = '\0';
        for (int turns = 0; !strstr(got, text); turns++) {
                if (turns == 2000)
                        fail_msg("only \"%s\" came", got);
                len += read_some(fd, got + len, sizeof(got) - 1 - len);
                got[len] = '\0';
                wait_and_turn();
        }
        return got;
}

bool is_at_end(int fd)
{
        char byte;

        return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || (errno != EAGAIN && errno != 0);
}

void expect_end(int fd)
{
        char byte;

        errno = 0;
        turn_until(is_at_end(fd));
        assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
}

void say_bytes(int fd, const char *bytes, size_t len)
{
        assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

void say(int fd, const char *text)
{
        say_bytes(fd, text, strlen(text));
}

size_t send_some(int fd, const char *bytes, size_t len)
{
        ssize_t count = send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

        return count > 0 ? (size_t)count : 0;
}

void close_with_reset(int fd)
{
        struct linger linger = { .l_onoff = 1, .l_linger = 0 };

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        close(fd);
}
