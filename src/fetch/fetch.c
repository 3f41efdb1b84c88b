#include "fetch/fetch.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/blocking.h"
#include "base/secret.h"
#include "fetch/handle.h"

enum {
        KEEP_BODY = 16 * 1024, /* bytes of body memory that an idle handle keeps */
        MAX_IDLE_S = 60,       /* below the 75 s after which most servers (and ours) close an idle connection */
};

struct cd_http_client {
        struct cd_http_client_options options;
        char *user_agent, *ca_file;    /* ca_file NULL: the system's */
        pthread_mutex_t lock;          /* of what follows */
        struct cd_client_handle *idle; /* last used first: its connections are the least likely to be stale */
        int64_t idle_count;
};

static CURLcode global_result;

static void global_init(void)
{
        global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Counts before anything is kept, so that a hostile server costs no more than the ceiling. */
static bool is_within_ceiling(struct cd_client_handle *handle, size_t more)
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
        struct cd_client_handle *handle = arg;

        (void)line;
        return is_within_ceiling(handle, size * count) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
        struct cd_client_handle *handle = arg;

        if (!is_within_ceiling(handle, size * count))
                return 0;
        cd_buf_add(&handle->body, cd_str_of(bytes, size * count));
        handle->no_memory = handle->body.failed;
        return handle->no_memory ? 0 : size * count;
}

static void free_handle(struct cd_client_handle *handle)
{
        curl_easy_cleanup(handle->curl);
        curl_multi_cleanup(handle->multi);
        cd_buf_done(&handle->body);
        free(handle);
}

/* What is the same for every call. */
static bool set_lasting_options(const struct cd_http_client *client, struct cd_client_handle *handle)
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
                { CURLOPT_CONNECTTIMEOUT_MS, (long)client->options.connect_timeout_ms },
        };
        CURL *curl = handle->curl;
        bool ok = true;

        for (size_t i = 0; i < CD_LEN(numbers); i++)
                ok &= curl_easy_setopt(curl, numbers[i].option, numbers[i].value) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK; /* nor one from the environment */
        if (client->ca_file)                                         /* and not the folder of the system's beside it */
                ok &= curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file) == CURLE_OK &&
                      curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_HEADERDATA, handle) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK;
        ok &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, handle) == CURLE_OK;
        return ok;
}

static struct cd_client_handle *new_handle(const struct cd_http_client *client)
{
        struct cd_client_handle *handle = calloc(1, sizeof(*handle));
        if (!handle)
                return NULL;

        handle->ceiling = (size_t)client->options.response_max;
        cd_buf_init(&handle->body, NULL, handle->ceiling);
        handle->curl = curl_easy_init();
        handle->multi = curl_multi_init();
        if (!handle->curl || !handle->multi || !set_lasting_options(client, handle)) {
                free_handle(handle);
                return NULL;
        }
        return handle;
}

/* NULL where memory is out. The caller gives it back with give_back(). */
static struct cd_client_handle *take_handle(struct cd_http_client *client)
{
        pthread_mutex_lock(&client->lock);
        struct cd_client_handle *handle = client->idle;
        if (handle) {
                client->idle = handle->next;
                client->idle_count--;
        }
        pthread_mutex_unlock(&client->lock);
        return handle ? handle : new_handle(client);
}

/* Answers hold tokens, so the body is wiped before it waits for the next call. */
static void forget_answer(struct cd_client_handle *handle)
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

static void give_back(struct cd_http_client *client, struct cd_client_handle *handle)
{
        forget_answer(handle);
        pthread_mutex_lock(&client->lock);
        bool keep = client->idle_count < client->options.idle_handles;
        if (keep) {
                handle->next = client->idle;
                client->idle = handle;
                client->idle_count++;
        }
        pthread_mutex_unlock(&client->lock);
        if (!keep)
                free_handle(handle);
}

cd_status cd_http_client_new(const struct cd_http_client_options *options, struct cd_http_client **ret,
                             struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        if (options->connect_timeout_ms <= 0 || options->total_timeout_ms <= 0 || options->response_max <= 0 ||
            options->idle_handles < 0)
                return cd_fail(reterr, CD_INVALID_REQUEST, "an HTTP client needs timeouts and a ceiling");
        pthread_once(&once, global_init);
        if (global_result != CURLE_OK)
                return cd_fail(reterr, CD_INTERNAL, "libcurl does not start");

        cd_str agent = options->user_agent.len ? options->user_agent : CD_STR("cardea");
        struct cd_http_client *client = calloc(1, sizeof(*client));
        char *agent_copy = strndup(agent.ptr, agent.len);
        char *ca_copy = options->ca_file.len ? strndup(options->ca_file.ptr, options->ca_file.len) : NULL;
        if (!client || !agent_copy || (options->ca_file.len && !ca_copy)) {
                free(client);
                free(agent_copy);
                free(ca_copy);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an HTTP client");
        }
        client->options = *options;
        client->options.user_agent = client->options.ca_file = (cd_str){ NULL, 0 };
        if (client->options.idle_handles == 0)
                client->options.idle_handles = 64;
        client->user_agent = agent_copy;
        client->ca_file = ca_copy;
        pthread_mutex_init(&client->lock, NULL);
        *ret = client;
        return CD_OK;
}

void cd_http_client_free(struct cd_http_client *client)
{
        if (!client)
                return;
        while (client->idle) {
                struct cd_client_handle *handle = client->idle;
                client->idle = handle->next;
                free_handle(handle);
        }
        pthread_mutex_destroy(&client->lock);
        free(client->user_agent);
        free(client->ca_file);
        free(client);
}

/* Copies what lasts out of the handle into the request's arena. */
static cd_status read_answer(const struct cd_client_handle *handle, struct cd_arena *arena, struct cd_http_answer *ret,
                             struct cd_error *reterr)
{
        long status = 0;
        char *type = NULL;

        curl_easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(handle->curl, CURLINFO_CONTENT_TYPE, &type);
        if (status < 200 || status > 599)
                return cd_fail(reterr, CD_UNAVAILABLE, "the answer is not HTTP");

        struct cd_http_answer answer = {
                .status = (int)status,
                .content_type = cd_arena_copy(arena, cd_str_from_c(type)),
                .body = cd_arena_copy(arena, cd_str_of(handle->body.ptr, handle->body.len)),
        };
        if (!answer.content_type.ptr || !answer.body.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the answer");
        *ret = answer;
        return CD_OK;
}

/* What curl_easy_perform does, which polls once more before it begins. */
static CURLcode transfer(struct cd_client_handle *handle)
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

static cd_status perform(struct cd_client_handle *handle, const struct cd_http_call *call, struct cd_http_answer *ret,
                         struct cd_error *reterr)
{
        cd_status status = cd_client_set_call(handle, call, reterr);
        if (status != CD_OK)
                return status;

        /* A kept-alive connection that turns out to be closed before the first byte of an answer is replaced by libcurl
         * itself (Curl_retry_request), once, within the same total timeout. */
        CURLcode code = transfer(handle);
        return code == CURLE_OK ? read_answer(handle, cd_client_arena(call), ret, reterr)
                                : cd_client_fail(handle, code, reterr);
}

cd_status cd_http_client_call(struct cd_http_client *client, const struct cd_http_call *call,
                              struct cd_http_answer *ret, struct cd_error *reterr)
{
        cd_may_block("cd_http_client_call");
        cd_status status = cd_client_check_call(call, reterr);
        if (status != CD_OK)
                return status;

        struct cd_client_handle *handle = take_handle(client);
        if (!handle)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a call");
        int64_t timeout_ms = call->timeout_ms ? call->timeout_ms : client->options.total_timeout_ms;
        curl_easy_setopt(handle->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
        status = perform(handle, call, ret, reterr);
        give_back(client, handle);
        return status;
}
