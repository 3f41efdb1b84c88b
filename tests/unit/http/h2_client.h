#pragma once
/* A client of HTTP/2 over loopback: libnghttp2 judges every byte that the server sends. */
#include <nghttp2/nghttp2.h>

#include "fixture.h"

enum {
        H2_REPLIES = 2048,
};

/* One request and what came back. */
struct h2_reply {
        int32_t id;
        int status; /* 0: no final one has come */
        int infos;  /* 100 Continue and the like */
        int data;   /* frames of its body, empty ones too */
        bool ended; /* the response is complete */
        bool closed;
        uint32_t code;     /* of the close */
        char fields[2048]; /* "name: value\n", trailers after an empty line */
        struct cd_buf body;
        cd_str upload; /* what is left of the request's body */
        bool upload_waits;
        bool upload_ends; /* after the last byte of it */
};

struct h2_client {
        struct client c;
        nghttp2_session *session;
        struct cd_buf unsent; /* the server did not read it yet */
        size_t split;         /* bytes that the server gets at a time; 0: all */
        bool keeps_windows;   /* gives nothing back of what it received */
        struct h2_reply *replies[H2_REPLIES];
        size_t count;
        uint32_t goaway_code; /* of the last GOAWAY */
        int32_t goaway_last;
        int goaways;
};

/* Connects, and exchanges settings. `window`: see client_connect. */
void h2_connect(struct h2_client *h, struct fixture *f, size_t window);
/* The same without a step; settings are for the client's first frame. */
void h2_begin(struct h2_client *h, struct fixture *f, size_t window, const nghttp2_settings_entry *settings,
              size_t count);
void h2_done(struct h2_client *h);
/* Sends and reads until neither side has more to say. */
void h2_go(struct h2_client *h);
/* Only sends. */
void h2_send(struct h2_client *h);
/* Asks; `fields` are "name: value\n" in order, pseudo-header fields included. `body` ptr NULL: none; else `ends` says
 * whether that is all. */
struct h2_reply *h2_ask(struct h2_client *h, const char *fields, cd_str body, bool ends);
/* GET over http to host a. */
struct h2_reply *h2_get(struct h2_client *h, const char *path);
struct h2_reply *h2_post(struct h2_client *h, const char *path, cd_str body, bool ends);
/* More of the body. */
void h2_upload(struct h2_client *h, struct h2_reply *reply, cd_str body, bool ends);
/* The value of a field of a response; ptr NULL: none. */
cd_str h2_field(const struct h2_reply *reply, const char *name);
cd_str h2_body(const struct h2_reply *reply);
/* A frame that the client's session knows nothing of. */
void h2_raw(struct h2_client *h, uint8_t type, uint8_t flags, int32_t id, cd_str payload);
