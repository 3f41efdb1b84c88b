/* The only file outside h1/ and h2/ that depends on both. */
#include "http/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/access.h"
#include "http/h1/conn.h"
#include "http/h2/conn.h"
#include "net/proxy_header.h"
#include "net/socket.h"

enum {
        PREFACE_LEN = 24,
};

/* The preface with which an HTTP/2 client begins (RFC 9113 §3.4). */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* A connection whose protocol is not known yet: TLS has not negotiated it, or its first bytes have not arrived. */
struct newcomer {
        struct cd_http_loop *loop;
        struct cd_http_peer peer;
        uint8_t seen_len;      /* number of received bytes that match the preface */
        bool awaits_proxy;     /* the PROXY header is expected first */
        struct cd_buf proxied; /* the part of the PROXY header received so far */
};

static void free_newcomer(struct newcomer *n)
{
        cd_buf_done(&n->proxied);
        free(n);
}

static bool is_trusted(const struct cd_http_settings *settings, const struct cd_address *address)
{
        return address ? cd_networks_have(settings->trusted, settings->trusted_count, address) : settings->trusts_unix;
}

/* ---- the protocol ---- */

/* Passes the stream to the protocol's connection, and frees the newcomer. False: memory is out, and the stream is
 * closed. */
static bool choose(struct newcomer *n, struct cd_stream *stream, bool is_http2)
{
        bool ok = is_http2 ? cd_h2_conn_new(n->loop, stream, &n->peer) != NULL
                           : cd_h1_conn_new(n->loop, stream, &n->peer) != NULL;

        if (ok)
                free_newcomer(n);
        else
                cd_stream_close(stream);
        return ok;
}

static void refuse(struct newcomer *n, struct cd_stream *stream, struct cd_http_refusal refusal)
{
        if (choose(n, stream, false))
                cd_h1_conn_refuse(stream->owner, refusal);
}

static void on_opened(struct cd_stream *stream)
{
        struct newcomer *n = stream->owner;

        if (stream->tls) {
                n->peer.certificate_subject = cd_tls_conn_subject(stream->tls);
                n->peer.tls = stream->tls;
                n->peer.is_secure = true;
        } else if (n->peer.offer.http2) {
                cd_stream_expire_in(stream, n->loop->settings->limits.idle_timeout_ms);
                return; /* the client's first bytes determine the protocol */
        }
        if (choose(n, stream, stream->tls && cd_tls_conn_is_http2(stream->tls)))
                stream->events->opened(stream);
}

/* Prior knowledge (RFC 9113 §3.3): a client that begins with the preface speaks HTTP/2. */
static void look_for_preface(struct newcomer *n, struct cd_stream *stream, char *data, size_t len)
{
        size_t seen = n->seen_len, more = len < PREFACE_LEN - seen ? len : PREFACE_LEN - seen;
        bool fits = memcmp(preface + seen, data, more) == 0;
        char before[PREFACE_LEN];

        if (fits && seen + more < PREFACE_LEN) {
                if (seen == 0)
                        cd_stream_expire_in(stream, n->loop->settings->limits.header_timeout_ms);
                n->seen_len = (uint8_t)(seen + more);
                return;
        }
        memcpy(before, preface, seen);
        if (!choose(n, stream, fits))
                return;
        if (seen)
                stream->events->bytes(stream, before, seen);
        if (!stream->closed && !stream->ending)
                stream->events->bytes(stream, data, len);
}

static void on_end_of_input(struct newcomer *n, struct cd_stream *stream)
{
        if (stream->error)
                cd_http_log_tls_failure(n->loop->server, stream);
        cd_stream_end(stream, stream->error != NULL);
}

/* Called before the first byte of the client itself. */
static void begin_protocol(struct newcomer *n, struct cd_stream *stream)
{
        if (n->peer.offer.kind != CD_HTTP_LISTENER_TLS) {
                stream->events->opened(stream);
                return;
        }
        struct cd_tls_conn *tls = cd_tls_conn_new(n->loop->server->tls, n->peer.offer.http2);
        if (tls)
                cd_stream_start_tls(stream, tls);
        else
                cd_stream_close(stream);
}

static void refuse_proxy_header(struct newcomer *n, struct cd_stream *stream, cd_str reason)
{
        struct cd_log_event event;

        cd_log_begin(&event, n->loop->server->log, CD_LOG_INFO, "proxy_header_refused");
        cd_log_str(&event, "peer", n->peer.address);
        cd_log_str(&event, "reason", reason);
        cd_log_end(&event);
        cd_stream_close(stream);
}

/* The header names the client; the client's own forwarded headers are believed only if it is a trusted proxy as
 * well. */
static void learn_client(struct newcomer *n, struct cd_stream *stream, const struct cd_proxy_header *header)
{
        if (header->local)
                return;
        stream->peer_len = (uint8_t)cd_address_format(&header->address, stream->peer);
        n->peer.address = cd_stream_peer(stream);
        n->peer.port = 0;
        n->peer.is_trusted = is_trusted(n->loop->settings, &header->address);
}

static void take_proxy_header(struct newcomer *n, struct cd_stream *stream, char *data, size_t len)
{
        size_t before = n->proxied.len, more = len < CD_PROXY_V2_MAX - before ? len : CD_PROXY_V2_MAX - before;
        struct cd_proxy_header header;
        cd_str bytes;

        cd_buf_add(&n->proxied, cd_str_of(data, more));
        enum cd_proxy_step step =
                cd_buf_view(&n->proxied, &bytes) == CD_OK ? cd_proxy_header_parse(bytes, &header) : CD_PROXY_BAD;
        if (step == CD_PROXY_MORE)
                return;
        if (step == CD_PROXY_BAD) {
                refuse_proxy_header(n, stream, CD_STR("no PROXY header, or a malformed one"));
                return;
        }
        n->awaits_proxy = false;
        learn_client(n, stream, &header);
        size_t used = header.used - before;
        begin_protocol(n, stream);
        if (used < len && !stream->closed)
                cd_stream_take(stream, data + used, len - used);
}

static void on_bytes(struct cd_stream *stream, char *data, size_t len)
{
        struct newcomer *n = stream->owner;

        if (len == 0) {
                on_end_of_input(n, stream);
        } else if (n->awaits_proxy) {
                take_proxy_header(n, stream, data, len);
        } else if (n->peer.offer.kind != CD_HTTP_LISTENER_TLS) {
                look_for_preface(n, stream, data, len);
        } else {
                /* The client does not speak TLS, so the error is sent as plain HTTP. */
                refuse(n, stream, (struct cd_http_refusal){ 400, "plain HTTP on a port for TLS" });
        }
}

static void on_drained(struct cd_stream *stream)
{
        (void)stream;
}

static void on_expired(struct cd_stream *stream)
{
        cd_stream_close(stream);
}

/* Requests that have begun, or have reached the kernel, continue; each is the last of its connection. */
static void on_stopping(struct cd_stream *stream)
{
        const struct newcomer *n = stream->owner;
        bool has_begun = n->seen_len > 0 || n->proxied.len > 0 || (stream->tls && cd_tls_conn_has_begun(stream->tls));

        if (!has_begun && !cd_stream_has_input(stream))
                cd_stream_close(stream);
}

static void on_ended(struct cd_stream *stream)
{
        struct newcomer *n = stream->owner;

        cd_http_release_slot(n->loop->server, n->peer.is_turned_away);
        free_newcomer(n);
}

static const struct cd_stream_events newcomer_events = {
        .opened = on_opened,
        .bytes = on_bytes,
        .drained = on_drained,
        .expired = on_expired,
        .stopping = on_stopping,
        .ended = on_ended,
};

/* ---- accepting ---- */

/* False if there are too many connections already. */
static bool take_slot(const struct cd_http_loop *loop)
{
        struct cd_http_server *server = loop->server;

        if (atomic_fetch_add(&server->conns, 1) < (size_t)loop->settings->limits.connections)
                return true;
        atomic_fetch_sub(&server->conns, 1);
        atomic_fetch_add(&server->turned_away, 1);
        return false;
}

/* Answers 503 to a connection beyond the limit, and closes it; open connections are not affected. No answer is sent
 * during a flood, nor to a client that needs TLS, because a handshake costs more than a request. */
static void turn_away(struct newcomer *n, struct cd_stream *stream)
{
        if (n->peer.offer.kind == CD_HTTP_LISTENER_TLS ||
            atomic_load(&n->loop->server->turned_away) > n->loop->settings->turned_away_max)
                cd_stream_close(stream);
        else
                refuse(n, stream, (struct cd_http_refusal){ 503, "too many connections" });
}

static void begin(struct newcomer *n, struct cd_stream *stream)
{
        stream->events = &newcomer_events;
        stream->owner = n;
        n->peer.address = cd_stream_peer(stream);
        if (n->peer.is_turned_away) {
                turn_away(n, stream);
                return;
        }
        if (n->awaits_proxy && !n->peer.is_trusted) {
                refuse_proxy_header(n, stream, CD_STR("the peer is not in trusted_proxies"));
                return;
        }
        cd_stream_expire_in(stream, n->loop->settings->limits.header_timeout_ms);
        cd_stream_read(stream, true);
        if (!n->awaits_proxy)
                begin_protocol(n, stream);
}

static struct newcomer *make_newcomer(struct cd_http_loop *loop, const struct cd_http_listener *listener)
{
        struct newcomer *n = malloc(sizeof(*n));

        if (!n)
                return NULL;
        *n = (struct newcomer){ .loop = loop,
                                .peer = { .offer = listener->offer,
                                          .local_port = cd_socket_port(&listener->where.socket) },
                                .awaits_proxy = listener->offer.proxy_protocol };
        cd_buf_init(&n->proxied, NULL, CD_PROXY_V2_MAX);
        return n;
}

/* 0 for a Unix socket. */
static uint16_t port_of_peer(int fd)
{
        struct sockaddr_storage from = { 0 };
        socklen_t size = sizeof(from);

        return getpeername(fd, (struct sockaddr *)&from, &size) == 0 && from.ss_family != AF_UNIX
                       ? cd_socket_port(&from)
                       : 0;
}

static void accepted(struct cd_acceptor *acceptor, int fd, const struct cd_address *address)
{
        struct cd_http_loop *loop = acceptor->loop->owner;
        struct newcomer *n = make_newcomer(loop, acceptor->listener);

        if (!n) {
                close(fd);
                return;
        }
        n->peer.port = acceptor->is_unix ? 0 : port_of_peer(fd);
        struct cd_stream *stream = cd_stream_of_socket(&loop->net, fd, acceptor->is_unix, address);
        if (!stream) {
                free_newcomer(n);
                return;
        }
        if (acceptor->is_unix) {
                memcpy(stream->peer, "unix:", 5);
                stream->peer_len = 5;
        }
        n->peer.is_trusted = is_trusted(loop->settings, address);
        n->peer.is_turned_away = !take_slot(loop);
        begin(n, stream);
}

/* Logged once until all waiting connections have been accepted. */
static void paused(struct cd_acceptor *acceptor, int error)
{
        struct cd_http_loop *loop = acceptor->loop->owner;
        struct cd_http_server *server = loop->server;
        struct cd_log_event event;

        if (atomic_exchange(&server->accept_paused, true))
                return;
        cd_log_begin(&event, server->log, CD_LOG_WARN, "accept_paused");
        cd_log_str(&event, "reason", cd_str_from_c(strerror(error)));
        cd_log_int(&event, "connections", (int64_t)atomic_load(&server->conns));
        cd_log_end(&event);
}

static void resumed(struct cd_acceptor *acceptor)
{
        struct cd_http_loop *loop = acceptor->loop->owner;

        atomic_store(&loop->server->accept_paused, false);
}

static void closed(struct cd_acceptor *acceptor)
{
        free(acceptor);
}

const struct cd_acceptor_events cd_http_acceptor_events = {
        .accepted = accepted,
        .paused = paused,
        .resumed = resumed,
        .closed = closed,
};
