#pragma once
/* Inside of the gate: what a program sends to say who it is, in Authorization and X-Api-Key. What begins with "cdp_" is
 * a personal token of ours (core/personal_token.h) and never reaches the application, even if it is wrong; everything
 * else is the application's affair. */
#include "http/http.h"

struct cd_gate_credentials {
        bool has_token; /* a personal token was sent */
        cd_str token;   /* the one that counts, which may be wrong */
        /* The user name that came with it by Basic, canonical; ptr NULL: it may be any user's. */
        cd_str name;
        const char *rejected;              /* why no token counts, for the log; NULL: `token` does */
        bool is_authorization, is_api_key; /* which headers have a personal token */
        /* What else came by Bearer, which may be an access token; empty: nothing. */
        cd_str bearer;
};

/* Views live in the request or its arena. CD_NO_MEMORY. */
cd_status cd_gate_credentials_read(const struct cd_http_request *req, struct cd_gate_credentials *ret);
