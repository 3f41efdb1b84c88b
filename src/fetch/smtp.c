#include "fetch/smtp.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "fetch/curl.h"

enum {
        POLL_MS = 100,         /* how often it looks whether it must stop */
        QUIT_US = 1000 * 1000, /* how long a server that has accepted the e-mail may take to answer QUIT */
};

static bool is_usable; /* written by check_library, once */

static void check_library(void)
{
        bool smtp = false, smtps = false;

        const curl_version_info_data *info = cd_curl.version_info(CURLVERSION_NOW);
        for (const char *const *name = info->protocols; *name; name++) {
                smtp |= strcmp(*name, "smtp") == 0;
                smtps |= strcmp(*name, "smtps") == 0;
        }
        is_usable = smtp && smtps;
}

cd_status cd_smtp_load(struct cd_error *reterr)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        cd_status status = cd_curl_load(reterr);
        if (status != CD_OK)
                return status;
        pthread_once(&once, check_library);
        return is_usable ? CD_OK : cd_fail(reterr, CD_UNAVAILABLE, "libcurl.so.4 cannot speak smtp and smtps");
}

/* ---- the dialogue ---- */

struct sending {
        const struct cd_smtp_mail *mail;
        struct cd_smtp_reply *reply;
        size_t read;         /* bytes of the message that libcurl has */
        bool is_about_mail;  /* MAIL was sent: what the server says from then on is about the e-mail */
        bool is_read;        /* all of the message is sent */
        bool is_secret;      /* the next line is part of AUTH */
        bool is_over;        /* QUIT was sent */
        bool is_garbage;     /* the server does not speak SMTP */
        int64_t accepted_at; /* cd_monotonic_us; 0: not yet */
        CURL *easy;
        CURLM *multi;
        struct curl_slist recipient;
};

/* "550 5.1.1 …": the digits after the code, if they are of RFC 3463's form. */
static void take_enhanced(struct cd_smtp_reply *reply, cd_str text)
{
        size_t len = cd_str_index(text, ' ');
        bool fits = len >= 5 && len < sizeof(reply->enhanced) && text.ptr[1] == '.' &&
                    (text.ptr[0] == '2' || text.ptr[0] == '4' || text.ptr[0] == '5');

        for (size_t i = 0; i < len && fits; i++)
                fits = (text.ptr[i] >= '0' && text.ptr[i] <= '9') || text.ptr[i] == '.';
        snprintf(reply->enhanced, sizeof(reply->enhanced), "%.*s", fits ? (int)len : 0, text.ptr);
}

/* RFC 5321 §4.2: "250-more follows", "250 the last line", "250". */
static bool parse_reply(cd_str line, uint64_t *ret_code)
{
        return line.len >= 3 && cd_str_to_u64(cd_str_slice(line, 0, 3), ret_code) && *ret_code >= 100 &&
               (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '-');
}

static void take_reply(struct sending *sending, cd_str line)
{
        uint64_t code;

        if (sending->is_over)
                return;
        sending->is_garbage |= !parse_reply(line, &code);
        if (sending->is_garbage || (line.len > 3 && line.ptr[3] == '-'))
                return;
        sending->reply->code = (int)code;
        take_enhanced(sending->reply, cd_str_slice(line, 4, line.len));
        if (sending->is_read && code / 100 == 2)
                sending->accepted_at = cd_monotonic_us();
        if (code != 334) /* a challenge of AUTH */
                sending->is_secret = false;
}

static void take_command(struct sending *sending, cd_str line)
{
        if (cd_str_has_prefix(line, CD_STR("MAIL FROM:")))
                sending->is_about_mail = true;
        if (cd_str_has_prefix(line, CD_STR("AUTH ")))
                sending->is_secret = true;
        if (cd_str_eq(line, CD_STR("QUIT"))) /* what is answered to it says nothing of the e-mail */
                sending->is_over = true;
}

static cd_str without_secret(const struct sending *sending, cd_str line)
{
        if (!sending->is_secret)
                return line;
        if (cd_str_has_prefix(line, CD_STR("AUTH PLAIN")))
                return CD_STR("AUTH PLAIN ***");
        return cd_str_has_prefix(line, CD_STR("AUTH ")) ? CD_STR("AUTH ***") : CD_STR("***");
}

static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
        struct sending *sending = arg;
        cd_str rest = cd_str_of(data, size), line;

        (void)easy;
        if (type != CURLINFO_HEADER_IN && type != CURLINFO_HEADER_OUT)
                return 0;
        while (rest.len && cd_str_take_until(&rest, '\n', &line)) {
                if (line.len && line.ptr[line.len - 1] == '\r')
                        line.len--;
                if (type == CURLINFO_HEADER_IN)
                        take_reply(sending, line);
                else
                        take_command(sending, line);
                if (sending->mail->line)
                        sending->mail->line(sending->mail->line_arg, type == CURLINFO_HEADER_IN,
                                            type == CURLINFO_HEADER_IN ? line : without_secret(sending, line));
        }
        return 0;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
        struct sending *sending = arg;
        cd_str message = sending->mail->message;
        size_t left = message.len - sending->read, take = left < size * count ? left : size * count;

        memcpy(to, message.ptr + sending->read, take);
        sending->read += take;
        sending->is_read = take == 0 || sending->read == message.len;
        return take;
}

static bool must_stop(const struct sending *sending)
{
        return sending->mail->stop && atomic_load(sending->mail->stop);
}

/* Where libcurl itself waits, it calls this once a second. */
static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
        const struct sending *sending = arg;

        (void)a, (void)b, (void)c, (void)d;
        if (must_stop(sending))
                return 1;
        return sending->accepted_at && cd_monotonic_us() - sending->accepted_at > QUIT_US;
}

/* ---- the transfer ---- */

static const char *text_of(struct cd_arena *arena, cd_str before, cd_str text, cd_str after)
{
        cd_str joined = cd_arena_printf(arena, "%.*s%.*s%.*s", CD_STR_ARG(before), CD_STR_ARG(text), CD_STR_ARG(after));

        return joined.ptr;
}

static bool set_text(struct sending *sending, CURLoption option, const char *text)
{
        return text && cd_curl.easy_setopt(sending->easy, option, text) == CURLE_OK;
}

static bool set_server(struct sending *sending, const struct cd_smtp_server *server)
{
        struct cd_arena *arena = sending->mail->arena;
        const cd_str none = CD_STR("");
        const struct {
                CURLoption option;
                long value;
        } numbers[] = {
                { CURLOPT_NOSIGNAL, 1 },
                { CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
                { CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 }, /* or later */
                { CURLOPT_SSL_VERIFYPEER, 1 },
                { CURLOPT_SSL_VERIFYHOST, 2 },
                { CURLOPT_USE_SSL, server->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE },
                { CURLOPT_FORBID_REUSE, 1 },
                { CURLOPT_QUICK_EXIT, 1 }, /* does not wait for a name that is being resolved */
                { CURLOPT_CONNECTTIMEOUT_MS, (long)server->connect_timeout_ms },
                { CURLOPT_TIMEOUT_MS, (long)server->total_timeout_ms },
        };
        bool ok = true;

        for (size_t i = 0; i < CD_LEN(numbers); i++)
                ok &= cd_curl.easy_setopt(sending->easy, numbers[i].option, numbers[i].value) == CURLE_OK;
        ok &= set_text(sending, CURLOPT_URL, text_of(arena, server->url, CD_STR("/"), sending->mail->hello));
        ok &= set_text(sending, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
        ok &= set_text(sending, CURLOPT_PROXY, ""); /* also none from the environment */
        /* By itself, libcurl prefers mechanisms that fail at many servers, such as GSSAPI for a name with "@". */
        ok &= set_text(sending, CURLOPT_LOGIN_OPTIONS, "AUTH=PLAIN;AUTH=LOGIN");
        if (server->user_name.len)
                ok &= set_text(sending, CURLOPT_USERNAME, text_of(arena, server->user_name, none, none)) &&
                      set_text(sending, CURLOPT_PASSWORD, text_of(arena, server->password, none, none));
        if (server->ca_file.len)
                ok &= set_text(sending, CURLOPT_CAINFO, text_of(arena, server->ca_file, none, none)) &&
                      cd_curl.easy_setopt(sending->easy, CURLOPT_CAPATH, NULL) == CURLE_OK;
        return ok;
}

static bool set_mail(struct sending *sending)
{
        const struct cd_smtp_mail *mail = sending->mail;
        CURL *easy = sending->easy;
        bool ok;

        sending->recipient.data = (char *)text_of(mail->arena, CD_STR("<"), mail->to, CD_STR(">"));
        ok = sending->recipient.data && cd_curl.easy_setopt(easy, CURLOPT_MAIL_RCPT, &sending->recipient) == CURLE_OK;
        ok &= set_text(sending, CURLOPT_MAIL_FROM, text_of(mail->arena, CD_STR("<"), mail->from, CD_STR(">")));
        ok &= cd_curl.easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail->message.len) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_READDATA, sending) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_debug) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_DEBUGDATA, sending) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_XFERINFODATA, sending) == CURLE_OK;
        ok &= cd_curl.easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
        return ok;
}

static CURLcode transfer(struct sending *sending)
{
        CURLMcode failed = cd_curl.multi_add_handle(sending->multi, sending->easy);
        CURLcode code = CURLE_FAILED_INIT;
        int running = 1, left;

        while (!failed && running && !must_stop(sending) && !sending->is_garbage) {
                failed = cd_curl.multi_perform(sending->multi, &running);
                if (!failed && running)
                        failed = cd_curl.multi_poll(sending->multi, NULL, 0, POLL_MS, NULL);
        }
        for (CURLMsg *msg; (msg = cd_curl.multi_info_read(sending->multi, &left));)
                code = msg->data.result;
        if (running && must_stop(sending))
                code = CURLE_ABORTED_BY_CALLBACK;
        cd_curl.multi_remove_handle(sending->multi, sending->easy);
        return code;
}

/* ---- the result ---- */

static cd_status fail_timeout(const struct sending *sending, struct cd_error *reterr)
{
        return cd_fail(reterr, CD_TIMEOUT,
                       sending->reply->code ? "the server did not answer in time"
                                            : "no connection, or no greeting, in time");
}

/* What is wrong with the connection or the login. Texts of libcurl and of the server may contain names; these do not.
 * */
static cd_status fail_connection(const struct sending *sending, CURLcode code, struct cd_error *reterr)
{
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return fail_timeout(sending, reterr);
        case CURLE_ABORTED_BY_CALLBACK:
                return cd_fail(reterr, CD_UNAVAILABLE, "stopped");
        case CURLE_COULDNT_RESOLVE_HOST:
                return cd_fail(reterr, CD_UNAVAILABLE, "host name not found");
        case CURLE_COULDNT_CONNECT:
                return cd_fail(reterr, CD_UNAVAILABLE, "no connection: refused, or no route");
        case CURLE_PEER_FAILED_VERIFICATION:
                return cd_fail(reterr, CD_UNAVAILABLE, "TLS certificate rejected");
        case CURLE_SSL_CACERT_BADFILE:
                return cd_fail(reterr, CD_UNAVAILABLE, "the file with the CA certificates cannot be read");
        case CURLE_SSL_CONNECT_ERROR:
                return cd_fail(reterr, CD_UNAVAILABLE, "TLS handshake failed");
        case CURLE_USE_SSL_FAILED:
                return cd_fail(reterr, CD_UNAVAILABLE, "the server does not offer STARTTLS, and TLS is required");
        case CURLE_LOGIN_DENIED:
                return cd_fail(reterr, CD_UNAVAILABLE, "the server refused the user name and password");
        case CURLE_OUT_OF_MEMORY:
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for libcurl");
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_REMOTE_ACCESS_DENIED:
                return cd_fail(reterr, CD_UNAVAILABLE, "the server turns every client away, or this one");
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_GOT_NOTHING:
                return cd_fail(reterr, CD_UNAVAILABLE, "the server closed the connection");
        default:
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "sending failed (libcurl error %d)", (int)code);
        }
}

/* RFC 4954 §6: the login is at fault, and not the e-mail. */
static bool is_about_login(int code)
{
        return code == 530 || code == 534 || code == 535 || code == 538;
}

static cd_status judge(const struct sending *sending, CURLcode code, struct cd_error *reterr)
{
        int reply = sending->reply->code;

        if (sending->accepted_at)
                return CD_OK;
        if (sending->is_garbage)
                return cd_fail(reterr, CD_UNAVAILABLE, "the answer of the server is not SMTP");
        if (code == CURLE_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the server did not say that it accepted the e-mail");
        if (is_about_login(reply))
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "the server wants another login (%d)", reply);
        if (sending->is_about_mail && reply / 100 == 5)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "the server refused the e-mail (%d)", reply);
        if (reply / 100 == 4)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "the server refused the e-mail for now (%d)",
                                reply);
        return fail_connection(sending, code, reterr);
}

cd_status cd_smtp_send(const struct cd_smtp_server *server, const struct cd_smtp_mail *mail, struct cd_smtp_reply *ret,
                       struct cd_error *reterr)
{
        struct sending sending = { .mail = mail, .reply = ret };
        CURLcode code = CURLE_OUT_OF_MEMORY;

        cd_may_block("cd_smtp_send");
        *ret = (struct cd_smtp_reply){ 0 };
        if (server->connect_timeout_ms <= 0 || server->total_timeout_ms <= 0)
                return cd_fail(reterr, CD_INTERNAL, "an SMTP client needs timeouts");
        cd_status status = cd_smtp_load(reterr);
        if (status != CD_OK)
                return status;
        sending.easy = cd_curl.easy_init();
        sending.multi = cd_curl.multi_init();
        if (sending.easy && sending.multi && set_server(&sending, server) && set_mail(&sending))
                code = transfer(&sending);
        cd_curl.easy_cleanup(sending.easy);
        if (sending.multi)
                cd_curl.multi_cleanup(sending.multi);
        return judge(&sending, code, reterr);
}
