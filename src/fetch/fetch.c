#include "fetch/fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocking.h"
#include "base/secret.h"
#include "fetch/handle.h"

enum {
        KEEP_BODY = 16 * 1024, /* bytes of body memory that an idle handle may keep */
        MAX_IDLE_S = 60,       /* less than the 75 s after which most servers (and this one) close an idle connection */
};

struct cd_fetch {
        struct cd_fetch_options options;
        char *user_agent, *ca_file;   /* ca_file NULL: the system's CAs */
        pthread_mutex_t lock;         /* protects the following members */
        struct cd_fetch_handle *idle; /* last used first, because its connections are the least likely to be stale */
        int64_t idle_count;
};

static CURLcode global_result;

static void global_init(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Counts bytes before they are stored, so that a malicious server can use no more memory than the ceiling. */
static bool is_within_ceiling(struct cd_fetch_handle *handle, size_t more)
{
        if (more > handle->ceiling - handle->received) {
                handle->too_large = true;
                return false;
        }
        handle->received += more;
        return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
        struct cd_fetch_handle *handle = arg;

        (void)line;
        return is_within_ceiling(handle, size * count) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
        struct cd_fetch_handle *handle = arg;

        if (!is_within_ceiling(handle, size * count))
                return 0;
        cd_buf_add(&handle->body, cd_str_of(bytes, size * count));
        handle->no_memory = handle->body.failed;
        return handle->no_memory ? 0 : size * count;
}

static void free_handle(struct cd_fetch_handle *handle)
{
        curl_easy_cleanup(handle->curl);
        curl_multi_cleanup(handle->multi);
        cd_buf_done(&handle->body);
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
        bool ok = true;

        for (size_t i = 0; i < CD_LEN(numbers); i++)
                ok &= curl_easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK; /* also none from the environment */
        if (fetch->ca_file)                                          /* and not the system's CA folder in addition */
                ok &= curl_easy_setopt(curl, CURLOPT_CAINFO, fetch->ca_file) == CURLE_OK &&
                      curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_USERAGENT, fetch->user_agent) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_HEADERDATA, handle) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, handle) == CURLE_OK;
        return ok;
}

static struct cd_fetch_handle *new_handle(const struct cd_fetch *fetch)
{
        struct cd_fetch_handle *handle = calloc(1, sizeof(*handle));
        if (!handle)
                return NULL;

        handle->ceiling = (size_t)fetch->options.response_max;
        cd_buf_init(&handle->body, NULL, handle->ceiling);
        handle->curl = curl_easy_init();
        handle->multi = curl_multi_init();
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

/* Responses may contain tokens, so the body is wiped before the handle becomes idle. */
static void forget_response(struct cd_fetch_handle *handle)
{
        if (handle->body.cap > KEEP_BODY || handle->body.failed) {
                cd_buf_done(&handle->body);
                cd_buf_init(&handle->body, NULL, handle->ceiling);
        }
        cd_wipe(handle->body.ptr, handle->body.len);
        handle->body.len = 0;
        handle->received = 0;
        handle->too_large = handle->no_memory = false;
}

static void give_back(struct cd_fetch *fetch, struct cd_fetch_handle *handle)
{
        forget_response(handle);
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

cd_status cd_fetch_new(const struct cd_fetch_options *options, struct cd_fetch **ret, struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        if (options->connect_timeout_ms <= 0 || options->total_timeout_ms <= 0 || options->response_max <= 0 ||
            options->idle_handles < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "an HTTP client needs timeouts and a size limit");
        pthread_once(&once, global_init);
        if (global_result != CURLE_OK)
                return cd_fail(reterr, CD_INTERNAL, "libcurl could not be initialised");

        cd_str agent = options->user_agent.len ? options->user_agent : CD_STR("cardea");
        struct cd_fetch *fetch = calloc(1, sizeof(*fetch));
        char *agent_copy = strndup(agent.ptr, agent.len);
        char *ca_copy = options->ca_file.len ? strndup(options->ca_file.ptr, options->ca_file.len) : NULL;
        if (!fetch || !agent_copy || (options->ca_file.len && !ca_copy)) {
                free(fetch);
                free(agent_copy);
                free(ca_copy);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an HTTP client");
        }
        fetch->options = *options;
        fetch->options.user_agent = fetch->options.ca_file = (cd_str){ NULL, 0 };
        if (fetch->options.idle_handles == 0)
                fetch->options.idle_handles = 64;
        fetch->user_agent = agent_copy;
        fetch->ca_file = ca_copy;
        pthread_mutex_init(&fetch->lock, NULL);
        *ret = fetch;
        return CD_OK;
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
        free(fetch->user_agent);
        free(fetch->ca_file);
        free(fetch);
}

/* Copies the response from the handle into the request's arena. */
static cd_status read_response(const struct cd_fetch_handle *handle, struct cd_arena *arena,
                               struct cd_fetch_response *ret, struct cd_error *reterr)
{
        long status = 0;
        char *type = NULL;

        curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(handle->curl, CURLINFO_CONTENT_TYPE, &type);
        if (status < 200 || status > 599)
                return cd_fail(reterr, CD_UNAVAILABLE, "the response is not HTTP");

        struct cd_fetch_response response = {
                .status = (int)status,
                .content_type = cd_arena_copy(arena, cd_str_from_c(type)),
                .body = cd_arena_copy(arena, cd_str_of(handle->body.ptr, handle->body.len)),
        };
        if (!response.content_type.ptr || !response.body.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the response");
        *ret = response;
        return CD_OK;
}

/* Like curl_easy_perform, without its additional poll at the start. */
static CURLcode transfer(struct cd_fetch_handle *handle)
{
        CURLMcode failed = curl_multi_add_handle(handle->multi, handle->curl);
        CURLcode code = CURLE_FAILED_INIT;
        int running = 1, left;

        while (!failed && running) {
                failed = curl_multi_perform(handle->multi, &running);
                if (!failed && running)
                        failed = curl_multi_poll(handle->multi, NULL, 0, 1000, NULL);
        }
        for (CURLMsg *msg; (msg = curl_multi_info_read(handle->multi, &left));)
                code = msg->data.result;
        curl_multi_remove_handle(handle->multi, handle->curl);
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
        return code == CURLE_OK ? read_response(handle, request->arena, ret, reterr)
                                : cd_fetch_fail(handle, code, reterr);
}

cd_status cd_fetch_call(struct cd_fetch *fetch, const struct cd_fetch_request *request, struct cd_fetch_response *ret,
                        struct cd_error *reterr)
{
        cd_may_block("cd_fetch_call");
        cd_status status = cd_fetch_check_request(request, reterr);
        if (status != CD_OK)
                return status;

        struct cd_fetch_handle *handle = take_handle(fetch);
        if (!handle)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a request");
        int64_t timeout_ms = request->timeout_ms ? request->timeout_ms : fetch->options.total_timeout_ms;
        curl_easy_setopt(handle->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
        status = perform(handle, request, ret, reterr);
        give_back(fetch, handle);
        return status;
}
