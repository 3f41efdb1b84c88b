#pragma once
/* Hands one e-mail to an SMTP server (RFC 5321), which delivers it; with libcurl, which is loaded when the first e-mail
 * is sent (base/library.h). For threads that may wait. Each e-mail has a connection of its own. */
#include <stdatomic.h>

#include "base/arena.h"
#include "base/status.h"

struct cd_smtp_server {
        cd_str url;                 /* smtp://HOST:PORT or smtps://HOST:PORT, without a path */
        cd_str user_name, password; /* user_name empty: no AUTH */
        cd_str ca_file;             /* PEM file of the CAs that may sign its certificate; empty: the system's */
        /* smtps is TLS from the first byte. For smtp: STARTTLS is required, and nothing but EHLO is sent before it; or
         * it is not used. The certificate is verified in both cases. */
        bool starttls;
        int64_t connect_timeout_ms, total_timeout_ms; /* required */
};

/* A line of the dialogue, without its line end. Secrets are replaced by "***". `from_server`: else it was sent. */
typedef void cd_smtp_line(void *arg, bool from_server, cd_str line);

struct cd_smtp_mail {
        cd_str hello;    /* this machine's name in EHLO: a domain */
        cd_str from, to; /* addresses without "<" and ">" */
        cd_str message;  /* RFC 5322, with CRLF; dots at the start of lines are escaped on the way */
        /* Set by another thread to end the call within about a tenth of a second. NULL: never. */
        const atomic_bool *stop;
        cd_smtp_line *line; /* NULL: nobody wants to see the dialogue */
        void *line_arg;
        struct cd_arena *arena; /* for the call; required */
};

struct cd_smtp_reply {
        int code;          /* of the server's last reply; 0: there was none */
        char enhanced[12]; /* RFC 3463, such as "5.1.1"; empty if the reply had none */
};

/* CD_OK: the server has accepted the e-mail. CD_INVALID_REQUEST: it has refused it for good, with a reply of 5xx that
 * is about the e-mail. Otherwise a later attempt may succeed: CD_TIMEOUT; CD_UNAVAILABLE (no connection, TLS failed,
 * login refused, a reply of 4xx, a connection that was closed, an answer that is not SMTP, stopped, or libcurl is
 * missing); CD_NO_MEMORY. After a connection that was lost at the end, the server may have accepted the e-mail
 * nonetheless. The reason contains nothing that the server said. *ret is always filled. */
cd_status cd_smtp_send(const struct cd_smtp_server *server, const struct cd_smtp_mail *mail, struct cd_smtp_reply *ret,
                       struct cd_error *reterr);

/* Loads libcurl now. CD_UNAVAILABLE: it is missing, or speaks no SMTP; the reason says so. */
cd_status cd_smtp_load(struct cd_error *reterr);
