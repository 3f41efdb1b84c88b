#pragma once
/* A request, a route and what cd_gate_forward and cd_gate_backward make of them, as text. The upstream is a stand-in:
 * only its kind and authority count here. */
#include "gate/forward.h"

enum {
        FORWARD_HEADERS = 128
};

struct forward_fixture {
        struct cd_arena arena;
        struct cd_upstream *upstream;
        struct cd_gate_route route;
        struct cd_http_header headers[FORWARD_HEADERS];
        struct cd_http_log_context log;
        struct cd_http_request req;
        struct cd_live_session ana;
        struct cd_gate_identity identity;
        struct cd_upstream_request sent;
        struct cd_error error;
        struct cd_http_response res;
        int64_t length;
};

/* GET http://wiki.example.com/a/b from 192.0.2.7 by Ana, to http://10.0.0.5:8000. */
void forward_set_up(struct forward_fixture *f);
void forward_tear_down(struct forward_fixture *f);
void forward_is_uwsgi(struct forward_fixture *f);
void forward_is_tls(struct forward_fixture *f);
void forward_path(struct forward_fixture *f, const char *as_sent);
/* Replaces all headers by the lines of the text: "Name: value\n". */
void forward_headers(struct forward_fixture *f, const char *lines);
cd_status forward_send(struct forward_fixture *f);
/* Must succeed; the fields in the same form. */
const char *forward_lines(struct forward_fixture *f);
/* The value of the only field with exactly this name; NULL: there is none. */
const char *forward_field(struct forward_fixture *f, const char *name);
/* How many fields have the name in any spelling: case, and "-", "_", "." */
size_t forward_spellings(const struct forward_fixture *f, const char *name);
/* An answer of the application with the lines as headers; the client's headers as lines. NULL: it cannot be passed
 * on. */
const char *forward_back(struct forward_fixture *f, const char *lines);
