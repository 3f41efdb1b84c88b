/* How the browser's redirect comes to the terminal: a running server keeps it in the store, or the command listens
 * itself, or the user pastes the URL. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/probe.h"
#include "base/secret.h"
#include "base/streams.h"
#include "cmd/trace.h"

enum {
        LOOK_MS = 250, /* between two looks into the store */
        PASTE_MAX = 5 * CD_SIGNIN_CODE_MAX,
};

enum {
        SIGNAL,
        LISTENER,
        INPUT,
        SOURCES
};

struct waiting {
        struct cd_trace *trace;
        struct cd_trace_listener *listener; /* NULL: none */
        struct pollfd sources[SOURCES];     /* fd -1: not watched */
        char line[PASTE_MAX];
        size_t len;
        struct cd_signin_callback *ret;
        const char **ret_from;
};

/* ---- where it can come from ---- */

/* Whether a program listens at one of the addresses; *ret_address: which one. */
static bool is_served(const struct cd_config *config, cd_str *ret_address)
{
        const struct cd_http_listen *listen = config->service.listen.items;

        for (size_t i = 0; i < config->service.listen.count; i++) {
                *ret_address = listen[i].address;
                if (cd_str_has_prefix(listen[i].address, CD_STR("systemd:")) ||
                    cd_probe_listen(listen[i].address) == EADDRINUSE)
                        return true;
        }
        return false;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
        char text[512];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        cd_print_line(stdout, "  %s", text);
        fflush(stdout);
}

static cd_status choose(struct waiting *w, struct cd_error *reterr)
{
        const struct cd_config *config = &w->trace->context->admin.config;
        struct cd_error why = { 0 };
        cd_str address;

        bool asks = w->trace->paste || isatty(STDIN_FILENO);
        if (!w->trace->paste && is_served(config, &address)) {
                say("waiting: the server at %.*s passes the redirect on to this command", CD_STR_ARG(address));
        } else if (!w->trace->paste && cd_trace_listen(w->trace, &w->listener, &why) == CD_OK) {
                w->sources[LISTENER].fd = cd_trace_listener_fd(w->listener);
                say("waiting: nothing listens on the addresses of the configuration, so this command does");
        } else if (!asks) {
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "listen: no server runs here, and this command cannot listen: %s; start the server, or "
                                "use --paste",
                                why.reason);
        } else if (!w->trace->paste) {
                say("no server runs here, and this command cannot listen: %s", why.reason);
        }
        if (asks) {
                w->sources[INPUT].fd = STDIN_FILENO;
                say("paste the URL at which the browser ended, if it is not passed on, and press Enter");
        }
        return CD_OK;
}

/* ---- what came ---- */

/* Whether it is a callback of this trace; otherwise says what is wrong. */
static bool accept_query(struct waiting *w, cd_str query)
{
        struct cd_arena *arena = &w->trace->context->arena;
        struct cd_signin_callback callback = { 0 };

        query = cd_arena_copy(arena, query);
        if (!query.ptr || !cd_signin_read_callback(arena, query, &callback) || !callback.state.ptr)
                say("this is not the URL of a callback: it has no state, or cannot be read");
        else if (!cd_secret_eq(callback.state, w->trace->login.state))
                say("this is the URL of another login: its state is not the one of this trace");
        else {
                *w->ret = callback;
                return true;
        }
        return false;
}

/* "https://auth.example.com/_auth/signin/github/callback?code=…" */
static bool accept_line(struct waiting *w, cd_str line)
{
        cd_str redirect_uri = cd_signin_redirect_uri(w->trace->provider);

        while (line.len && memchr(" \t\r'\"", line.ptr[0], 5))
                line = cd_str_slice(line, 1, line.len);
        while (line.len && memchr(" \t\r'\"", line.ptr[line.len - 1], 5))
                line = cd_str_slice(line, 0, line.len - 1);
        if (!line.len)
                return false;
        size_t question = cd_str_index(line, '?');
        cd_str page = cd_str_slice(line, 0, question), query = cd_str_slice(line, question + 1, line.len);
        if (!accept_query(w, cd_str_slice(query, 0, cd_str_index(query, '#'))))
                return false;
        if (!cd_str_eq(page, redirect_uri))
                w->trace->seen.redirect = cd_arena_copy(&w->trace->context->arena, page);
        *w->ret_from = "pasted";
        return true;
}

/* Reads what is there. True: a callback. */
static bool read_input(struct waiting *w)
{
        ssize_t n = read(STDIN_FILENO, w->line + w->len, sizeof(w->line) - w->len);
        size_t end;

        if (n < 0 && errno == EINTR)
                return false;
        if (n > 0)
                w->len += (size_t)n;
        while ((end = cd_str_index(cd_str_of(w->line, w->len), '\n')) < w->len) {
                bool is_found = accept_line(w, cd_str_of(w->line, end));
                w->len -= end + 1;
                memmove(w->line, w->line + end + 1, w->len);
                if (is_found)
                        return true;
        }
        if (n > 0 && w->len < sizeof(w->line))
                return false;
        w->sources[INPUT].fd = -1; /* the end, or a line that no callback has */
        return accept_line(w, cd_str_of(w->line, w->len));
}

static cd_status look_into_store(const struct waiting *w, struct cd_error *reterr)
{
        cd_status status = cd_signin_trace_take(&w->trace->login, w->ret, reterr);

        if (status == CD_OK)
                *w->ret_from = "passed on by the server";
        return status;
}

/* CD_NOT_FOUND: nothing yet. */
static cd_status look(struct waiting *w, struct cd_error *reterr)
{
        cd_time now;

        if (poll(w->sources, SOURCES, LOOK_MS) > 0) {
                if (w->sources[SIGNAL].revents)
                        return cd_fail(reterr, CD_UNAVAILABLE, "it was stopped before the redirect came back");
                if (w->sources[LISTENER].revents && accept_query(w, cd_trace_listener_query(w->listener))) {
                        *w->ret_from = "received here";
                        return CD_OK;
                }
                if (w->sources[INPUT].fd >= 0 && w->sources[INPUT].revents && read_input(w))
                        return CD_OK;
                if (w->trace->paste && w->sources[INPUT].fd < 0)
                        return cd_fail(reterr, CD_UNAVAILABLE,
                                       "the input has ended without the URL of this login's callback");
        }
        if (cd_clock_read(&cd_clock_system, &now, reterr) != CD_OK)
                return CD_UNAVAILABLE;
        if (now >= w->trace->login.expires_at)
                return cd_failf(
                        reterr, CD_TIMEOUT, CD_STR(""),
                        "no redirect came back within %d minutes; if the provider's page speaks of the redirect "
                        "URI, register exactly the one above",
                        CD_SIGNIN_STATE_LIFETIME / 60);
        return look_into_store(w, reterr);
}

/* ---- signals ---- */

/* For the handler, which any thread of the process may run. */
static volatile sig_atomic_t signal_fd = -1;

static void note_signal(int number)
{
        uint64_t one = 1;
        int saved = errno;

        (void)number;
        (void)!write(signal_fd, &one, sizeof(one));
        errno = saved;
}

static cd_status wait_here(struct waiting *w, struct cd_error *reterr)
{
        cd_status status = choose(w, reterr);

        if (status == CD_OK)
                status = cd_output_error() ? cd_fail(reterr, CD_UNAVAILABLE, "the URL cannot be shown") : CD_NOT_FOUND;
        while (status == CD_NOT_FOUND)
                status = look(w, reterr);
        cd_trace_listener_free(w->listener);
        cd_wipe(w->line, sizeof(w->line));
        return status;
}

cd_status cd_trace_wait(struct cd_trace *trace, struct cd_signin_callback *ret, const char **ret_from,
                        struct cd_error *reterr)
{
        struct waiting w = { .trace = trace, .ret = ret, .ret_from = ret_from };
        const struct sigaction noting = { .sa_handler = note_signal };
        struct sigaction interrupt, terminate;

        for (int i = 0; i < SOURCES; i++)
                w.sources[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
        w.sources[SIGNAL].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w.sources[SIGNAL].fd < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "no descriptor for signals");
        signal_fd = w.sources[SIGNAL].fd;
        sigaction(SIGINT, &noting, &interrupt);
        sigaction(SIGTERM, &noting, &terminate);
        cd_status status = wait_here(&w, reterr);
        sigaction(SIGINT, &interrupt, NULL);
        sigaction(SIGTERM, &terminate, NULL);
        close(w.sources[SIGNAL].fd);
        return status;
}
