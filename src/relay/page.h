#pragma once
/* What users see of a delivery. The pages are written by a port, since the relay knows no templates. */
#include "http/http.h"

enum cd_relay_page_kind {
        CD_RELAY_PAGE_SUCCEEDED,    /* a tick, and the receiver's message */
        CD_RELAY_PAGE_REFUSED,      /* a cross, and the receiver's message */
        CD_RELAY_PAGE_TEXT,         /* the receiver's message, which is neither */
        CD_RELAY_PAGE_WAITING,      /* there is no answer yet; the page asks again by itself */
        CD_RELAY_PAGE_UNREACHABLE,  /* the receiver is not there: a button to try again */
        CD_RELAY_PAGE_BUSY,         /* too many deliveries at the moment: the same button */
        CD_RELAY_PAGE_EXPIRED,      /* it was held, and the receiver did not come in time */
        CD_RELAY_PAGE_LOST,         /* the receiver got it, and gave no answer that can be read */
        CD_RELAY_PAGE_INVALID,      /* the request is not what a provider sends */
        CD_RELAY_PAGE_LINK_INVALID, /* the signed state is not accepted */
        CD_RELAY_PAGE_UNKNOWN,      /* there is no such delivery (any more) */
        CD_RELAY_PAGE_FAILED,       /* this server cannot do it at the moment */
        CD_RELAY_PAGE_KINDS,
};

struct cd_relay_page {
        enum cd_relay_page_kind kind;
        int status;     /* of HTTP */
        cd_str message; /* the receiver's: any UTF-8; ptr NULL: none */
        cd_str waiting; /* for WAITING: the id that the page asks with, as base64url */
        /* What the button sends again, in the body of a POST, so that it is in no URL that is logged. */
        cd_str state, code, error, error_description;
};

struct cd_relay_pages {
        /* Fills the response. Memory only. */
        void (*respond)(const struct cd_relay_pages *port, const struct cd_http_request *req,
                        const struct cd_relay_page *page, struct cd_http_response *res);
        /* The stylesheet of the pages, which they ask for as "?styles". */
        void (*respond_styles)(const struct cd_relay_pages *port, const struct cd_http_request *req,
                               struct cd_http_response *res);
};

/* The status that a page has. */
int cd_relay_page_status(enum cd_relay_page_kind kind);
