#pragma once
/* Cookies (RFC 6265): reads those of a request, takes some out of it, and sets one in a response. */
#include "base/field.h"
#include "http/http.h"

enum {
        CD_HTTP_COOKIE_MAX = 4096, /* bytes of name, value and attributes that every browser keeps (RFC 6265 §6.1) */
};

/* Where cd_http_cookie_next stands: zeroed at first. */
struct cd_http_cookies {
        size_t header; /* index of the header that `rest` is a part of */
        cd_str rest;
};

/* The value of the next cookie of that name, in the order sent, whatever header it is in (HTTP/2 sends several, RFC
 * 9113 §8.2.3). False at the end. Names are compared byte for byte, values are not unquoted. A browser may send several
 * of one name, since any sibling host can set one for the whole domain: the caller decides which of them counts. */
bool cd_http_cookie_next(const struct cd_http_request *req, struct cd_http_cookies *at, cd_str name, cd_str *ret);

/* All cookies but those named, as one header's value, each byte for byte and in order; empty where none is left. The
 * value lives in the request's arena. CD_NO_MEMORY. */
cd_status cd_http_cookies_without(const struct cd_http_request *req, struct cd_strs names, cd_str *ret);

struct cd_http_set_cookie {
        cd_str name, value; /* base64url and the like: no space, comma, semicolon, quotation mark or backslash */
        cd_str domain;      /* empty: only the host that sets it */
        int64_t max_age;    /* seconds; 0: until the browser is closed; negative: the cookie is deleted */
        bool is_plain; /* without Secure: for http on a loopback address, where browsers would drop a Secure cookie */
};

/* Adds Set-Cookie with Path=/, HttpOnly, SameSite=Lax and, but for is_plain, Secure. A name with the prefix "__Host-"
 * needs a cookie without a domain that is not plain (RFC 6265bis §4.1.3.2). What breaks these rules, or is larger than
 * CD_HTTP_COOKIE_MAX, fails the response, which becomes a 500. */
void cd_http_response_set_cookie(struct cd_http_response *res, const struct cd_http_set_cookie *cookie);
