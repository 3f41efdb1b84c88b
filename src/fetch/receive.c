/* Takes in what a server sends: bounded, and as it was sent. */
#include "fetch/handle.h"

#include "base/secret.h"

enum {
        KEEP_BODY = 16 * 1024, /* bytes of body memory that an idle handle may keep */
};

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

/* No compression is asked for (RFC 9110 §12.5.3), and a few KB of it can be gigabytes. */
static bool is_coding_known(cd_str line)
{
        cd_str value = line, name;

        if (!cd_str_take_until(&value, ':', &name) || !value.ptr)
                return true;
        while (value.len && (value.ptr[value.len - 1] == '\n' || value.ptr[value.len - 1] == '\r'))
                value.len--;
        value = cd_str_trim(value);
        if (cd_str_eq_nocase(name, CD_STR("Content-Encoding")))
                return value.len == 0 || cd_str_eq_nocase(value, CD_STR("identity"));
        return !cd_str_eq_nocase(name, CD_STR("Transfer-Encoding")) || cd_str_eq_nocase(value, CD_STR("chunked"));
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
        struct cd_fetch_handle *handle = arg;
        cd_str line = cd_str_of(bytes, size * count);

        if (!is_within_ceiling(handle, line.len))
                return 0;
        if (handle->is_recorded)
                cd_buf_add(&handle->head, line);
        handle->is_compressed |= !is_coding_known(line);
        handle->no_memory = handle->head.failed;
        return handle->is_compressed || handle->no_memory ? 0 : line.len;
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

bool cd_fetch_set_receiver(struct cd_fetch_handle *handle)
{
        return cd_curl.easy_setopt(handle->curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
               cd_curl.easy_setopt(handle->curl, CURLOPT_HEADERDATA, handle) == CURLE_OK &&
               cd_curl.easy_setopt(handle->curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
               cd_curl.easy_setopt(handle->curl, CURLOPT_WRITEDATA, handle) == CURLE_OK;
}

/* Of the last response, if interim ones came before it; empty if absent. */
static cd_str find_header(const struct cd_fetch_handle *handle, const char *name)
{
        struct curl_header *header = NULL;

        if (cd_curl.easy_header(handle->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
                return CD_STR("");
        return cd_str_from_c(header->value);
}

cd_status cd_fetch_read_response(const struct cd_fetch_handle *handle, const struct cd_fetch_request *request,
                                 struct cd_fetch_response *ret, struct cd_error *reterr)
{
        struct cd_arena *arena = request->arena;
        long status = 0;

        cd_curl.easy_getinfo(handle->curl, CURLINFO_RESPONSE_CODE, &status);
        if (status < 200 || status > 599)
                return cd_fail(reterr, CD_UNAVAILABLE, "the response is not HTTP");

        struct cd_fetch_response response = {
                .status = (int)status,
                .content_type = cd_arena_copy(arena, find_header(handle, "Content-Type")),
                .body = cd_arena_copy(arena, cd_str_of(handle->body.ptr, handle->body.len)),
                .date = cd_arena_copy(arena, find_header(handle, "Date")),
                .location = cd_arena_copy(arena, find_header(handle, "Location")),
                .retry_after = cd_arena_copy(arena, find_header(handle, "Retry-After")),
                .wanted = cd_arena_copy(arena, request->wanted_header ? find_header(handle, request->wanted_header)
                                                                      : CD_STR("")),
        };
        if (!response.content_type.ptr || !response.body.ptr || !response.date.ptr || !response.location.ptr ||
            !response.retry_after.ptr || !response.wanted.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the response");
        *ret = response;
        return CD_OK;
}

static void forget_text(struct cd_buf *buf, size_t ceiling)
{
        if (buf->cap > KEEP_BODY || buf->failed) {
                cd_buf_done(buf);
                cd_buf_init(buf, NULL, ceiling);
        }
        cd_wipe(buf->ptr, buf->len);
        buf->len = 0;
}

/* Requests and responses may contain tokens, so they are wiped before the handle becomes idle. */
void cd_fetch_forget(struct cd_fetch_handle *handle)
{
        forget_text(&handle->body, handle->ceiling);
        forget_text(&handle->head, handle->ceiling);
        forget_text(&handle->sent, CD_FETCH_SENT_MAX);
        handle->received = 0;
        handle->too_large = handle->no_memory = handle->is_compressed = false;
        handle->refused = (struct cd_error){ 0 };
}
