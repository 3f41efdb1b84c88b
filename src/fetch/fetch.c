#include "fetch/fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "fetch/guard.h"
#include "fetch/handle.h"
#include "fetch/hosts.h"

enum {
        MAX_IDLE_S = 60, /* less than the 75 s after which most servers (and this one) close an idle connection */
};

struct cd_fetch {
        struct cd_fetch_options options;
        struct cd_fetch_guard guard;
        struct cd_fetch_hosts *hosts; /* NULL: no limit */
        /* NULL: the system's CAs; the host of the URL */
        char *user_agent, *ca_file, *unix_socket;
        pthread_mutex_t lock;         /* protects the following members */
        struct cd_fetch_handle *idle; /* last used first, because its connections are the least likely to be stale */
        int64_t idle_count;
};

/* Called with each address that libcurl is about to connect to, so that what is checked is what is connected to,
 * whatever the name resolves to in the meantime. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *peer)
{
        struct cd_fetch_handle *handle = arg;
        struct sockaddr_storage address = { 0 };

        (void)purpose;
        memcpy(&address, &peer->addr, peer->addrlen < sizeof(address) ? peer->addrlen : sizeof(address));
        if (cd_fetch_guard_check(handle->guard, handle->url, &address, &handle->refused) != CD_OK)
                return CURL_SOCKET_BAD;
        return socket(peer->family, peer->socktype | SOCK_CLOEXEC, peer->protocol);
}

static void free_handle(struct cd_fetch_handle *handle)
{
        cd_curl.easy_cleanup(handle->curl);
        cd_curl.multi_cleanup(handle->multi);
        cd_buf_done(&handle->body);
        cd_buf_done(&handle->head);
        cd_buf_done(&handle->sent);
        free(handle);
}

/* Sets the options that are the same for all requests. */
static bool set_lasting_options(const struct cd_fetch *fetch, struct cd_fetch_handle *handle)
{
        const struct {
                CURLoption option;
                long value;
        } numbers[] = {
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_QUICK_EXIT, 1 }, /* does not wait for a name that is being resolved */
                { CURLOPT_FOLLOWLOCATION, 0 },
                { CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
                { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
                { CURLOPT_HTTP09_ALLOWED, 0 },
                { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 }, /* or later */
                { CURLOPT_SSL_VERIFYPEER, 1 },
                { CURLOPT_SSL_VERIFYHOST, 2 },
                { CURLOPT_TCP_NODELAY, 1 },
                { CURLOPT_MAXAGE_CONN, MAX_IDLE_S },
                { CURLOPT_CONNECTTIMEOUT_MS, (long)fetch->options.connect_timeout_ms },
        };
        CURL *curl = handle->curl;
        bool ok = cd_fetch_set_receiver(handle);

        for (size_t i = 0; i < CD_LEN(numbers); i++)
                ok &= cd_curl.easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK;
        ok &= cd_curl.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
        ok &= cd_curl.easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK; /* also none from the environment */
        if (fetch->ca_file)                                             /* and not the system's CA folder in addition */
                ok &= cd_curl.easy_setopt(curl, CURLOPT_CAINFO, fetch->ca_file) == CURLE_OK &&
                      cd_curl.easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
        if (fetch->unix_socket)
                ok &= cd_curl.easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, fetch->unix_socket) == CURLE_OK;
        ok &= cd_curl.easy_setopt(curl, CURLOPT_USERAGENT, fetch->user_agent) == CURLE_OK;
        if (handle->guard)
                ok &= cd_curl.easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket) == CURLE_OK &&
                      cd_curl.easy_setopt(curl, CURLOPT_OPENSOCKETDATA, handle) == CURLE_OK;
        if (handle->is_recorded)
                ok &= cd_fetch_set_recorder(handle);
        return ok;
}

static struct cd_fetch_handle *new_handle(const struct cd_fetch *fetch)
{
        struct cd_fetch_handle *handle = calloc(1, sizeof(*handle));
        if (!handle)
                return NULL;

        handle->ceiling = (size_t)fetch->options.response_max;
        handle->guard = fetch->options.guard;
        handle->is_recorded = fetch->options.record;
        cd_buf_init(&handle->body, NULL, handle->ceiling);
        cd_buf_init(&handle->head, NULL, handle->ceiling);
        cd_buf_init(&handle->sent, NULL, CD_FETCH_SENT_MAX);
        handle->curl = cd_curl.easy_init();
        handle->multi = cd_curl.multi_init();
        if (!handle->curl || !handle->multi || !set_lasting_options(fetch, handle)) {
                free_handle(handle);
                return NULL;
        }
        return handle;
}

/* Takes a handle, to be returned with give_back(). NULL if memory is exhausted. */
static struct cd_fetch_handle *take_handle(struct cd_fetch *fetch)
{
        pthread_mutex_lock(&fetch->lock);
        struct cd_fetch_handle *handle = fetch->idle;
        if (handle) {
                fetch->idle = handle->next;
                fetch->idle_count--;
        }
        pthread_mutex_unlock(&fetch->lock);
        return handle ? handle : new_handle(fetch);
}

static void give_back(struct cd_fetch *fetch, struct cd_fetch_handle *handle)
{
        cd_fetch_forget(handle);
        pthread_mutex_lock(&fetch->lock);
        bool keep = fetch->idle_count < fetch->options.idle_handles;
        if (keep) {
                handle->next = fetch->idle;
                fetch->idle = handle;
                fetch->idle_count++;
        }
        pthread_mutex_unlock(&fetch->lock);
        if (!keep)
                free_handle(handle);
}

static char *copy_unless_empty(cd_str text)
{
        return text.len ? strndup(text.ptr, text.len) : NULL;
}

static cd_status copy_options(struct cd_fetch *fetch, const struct cd_fetch_options *options, struct cd_error *reterr)
{
        cd_str agent = options->user_agent.len ? options->user_agent : CD_STR("cardea");

        fetch->options = *options;
        fetch->options.user_agent = fetch->options.ca_file = fetch->options.unix_socket = (cd_str){ NULL, 0 };
        if (fetch->options.idle_handles == 0)
                fetch->options.idle_handles = 64;
        if (options->guard) {
                fetch->guard = *options->guard;
                fetch->options.guard = &fetch->guard;
        }
        fetch->user_agent = strndup(agent.ptr, agent.len);
        fetch->ca_file = copy_unless_empty(options->ca_file);
        fetch->unix_socket = copy_unless_empty(options->unix_socket);
        fetch->hosts = options->host_concurrency ? cd_fetch_hosts_new(options->host_concurrency) : NULL;
        if (!fetch->user_agent || (options->ca_file.len && !fetch->ca_file) ||
            (options->unix_socket.len && !fetch->unix_socket) || (options->host_concurrency && !fetch->hosts))
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an HTTP client");
        return CD_OK;
}

cd_status cd_fetch_new(const struct cd_fetch_options *options, struct cd_fetch **ret, struct cd_error *reterr)
{
        if (options->connect_timeout_ms <= 0 || options->total_timeout_ms <= 0 || options->response_max <= 0 ||
            options->idle_handles < 0 || options->host_concurrency < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "an HTTP client needs timeouts and a size limit");

        struct cd_fetch *fetch = calloc(1, sizeof(*fetch));
        if (!fetch)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an HTTP client");
        pthread_mutex_init(&fetch->lock, NULL);
        cd_status status = copy_options(fetch, options, reterr);
        if (status == CD_OK)
                *ret = fetch;
        else
                cd_fetch_free(fetch);
        return status;
}

cd_status cd_fetch_load(struct cd_error *reterr)
{
        return cd_curl_load(reterr);
}

void cd_fetch_free(struct cd_fetch *fetch)
{
        if (!fetch)
                return;
        while (fetch->idle) {
                struct cd_fetch_handle *handle = fetch->idle;
                fetch->idle = handle->next;
                free_handle(handle);
        }
        pthread_mutex_destroy(&fetch->lock);
        cd_fetch_hosts_free(fetch->hosts);
        free(fetch->user_agent);
        free(fetch->ca_file);
        free(fetch->unix_socket);
        free(fetch);
}

/* Like curl_easy_perform, without its additional poll at the start. */
static CURLcode transfer(struct cd_fetch_handle *handle)
{
        CURLMcode failed = cd_curl.multi_add_handle(handle->multi, handle->curl);
        CURLcode code = CURLE_FAILED_INIT;
        int running = 1, left;

        while (!failed && running) {
                failed = cd_curl.multi_perform(handle->multi, &running);
                if (!failed && running)
                        failed = cd_curl.multi_poll(handle->multi, NULL, 0, 1000, NULL);
        }
        for (CURLMsg *msg; (msg = cd_curl.multi_info_read(handle->multi, &left));)
                code = msg->data.result;
        cd_curl.multi_remove_handle(handle->multi, handle->curl);
        return failed ? CURLE_FAILED_INIT : code;
}

static cd_status perform(struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                         struct cd_fetch_response *ret, struct cd_error *reterr)
{
        cd_status status = cd_fetch_set_request(handle, request, reterr);
        if (status != CD_OK)
                return status;

        /* If a kept-alive connection turns out to be closed before the first byte of a response, libcurl itself repeats
         * the request once on a new one (Curl_retry_request), within the same total timeout. */
        CURLcode code = transfer(handle);
        if (code == CURLE_COULDNT_CONNECT && request->os_error)
                *request->os_error = cd_fetch_os_error(handle);
        return code == CURLE_OK ? cd_fetch_read_response(handle, request, ret, reterr)
                                : cd_fetch_fail(handle, code, reterr);
}

static int64_t timeout_ms(const struct cd_fetch *fetch, const struct cd_fetch_request *request)
{
        return request->timeout_ms ? request->timeout_ms : fetch->options.total_timeout_ms;
}

/* One request whose turn has come, at a handle. */
static cd_status perform_until(struct cd_fetch *fetch, const struct cd_fetch_request *request, int64_t deadline,
                               struct cd_fetch_response *ret, struct cd_fetch_record *record, struct cd_error *reterr)
{
        int64_t left_ms = (deadline - cd_monotonic_us()) / 1000;
        struct cd_fetch_handle *handle = take_handle(fetch);

        if (!handle)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request");
        handle->url = request->url;
        cd_curl.easy_setopt(handle->curl, CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
        cd_status status = perform(handle, request, ret, reterr);
        if (fetch->options.record) {
                cd_fetch_read_record(handle, request, record);
                record->error = status == CD_OK ? NULL : reterr;
                fetch->options.record(fetch->options.record_arg, record);
        }
        give_back(fetch, handle);
        return status;
}

/* A request that never came to be sent is recorded too. */
static void record_unsent(const struct cd_fetch *fetch, const struct cd_fetch_request *request,
                          struct cd_fetch_record *record, const struct cd_error *error)
{
        record->method = cd_fetch_method_name(request->method);
        record->url = request->url;
        record->request_body = request->body;
        record->error = error;
        if (fetch->options.record)
                fetch->options.record(fetch->options.record_arg, record);
}

/* The total timeout includes the time that a request waits for its turn. */
static cd_status call(struct cd_fetch *fetch, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                      struct cd_fetch_record *record, struct cd_error *reterr)
{
        int64_t deadline = cd_monotonic_us() + timeout_ms(fetch, request) * 1000;
        struct cd_fetch_host *host = NULL;

        if (fetch->hosts) {
                cd_status status =
                        cd_fetch_hosts_enter(fetch->hosts, request->url, deadline, &host, &record->waited_us, reterr);
                if (status != CD_OK) {
                        record_unsent(fetch, request, record, reterr);
                        return status;
                }
        }
        cd_status status = perform_until(fetch, request, deadline, ret, record, reterr);
        if (host)
                cd_fetch_hosts_leave(fetch->hosts, host);
        return status;
}

cd_status cd_fetch_call(struct cd_fetch *fetch, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                        struct cd_error *reterr)
{
        struct cd_fetch_record record = { .name = request->name };
        struct cd_error unwanted, *error = reterr ? reterr : &unwanted;

        cd_may_block("cd_fetch_call");
        cd_status status = cd_fetch_check_request(request, error);
        if (status == CD_OK)
                status = cd_curl_load(error);
        if (status == CD_OK)
                return call(fetch, request, ret, &record, error);
        record_unsent(fetch, request, &record, error);
        return status;
}
