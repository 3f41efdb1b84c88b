#pragma once
/* Cookies (RFC 6265): reads the cookies of a request, removes some of them, and sets one in a response. */
#include "base/field.h"
#include "http/http.h"

enum {
        CD_HTTP_COOKIE_MAX = 4096, /* bytes of name, value and attributes that every browser stores (RFC 6265 §6.1) */
};

/* The position of cd_http_cookie_next; initially zeroed. */
struct cd_http_cookies {
        size_t header; /* index of the header that `rest` is a part of */
        cd_str rest;
};

/* The value of the next cookie with that name, in the order sent, across all Cookie headers (HTTP/2 sends several, RFC
 * 9113 §8.2.3). False at the end. Names are compared byte for byte; values are not unquoted. A browser may send several
 * cookies with one name, because any sibling host can set one for the whole domain; the caller decides which one
 * counts. */
bool cd_http_cookie_next(const struct cd_http_request *req, struct cd_http_cookies *at, cd_str name, cd_str *ret);

/* All cookies except those whose name begins with one of the prefixes, as the value of one header, byte for byte and in
 * order; empty if none remains. The value lives in the request's arena. CD_NO_MEMORY. */
cd_status cd_http_cookies_without(const struct cd_http_request *req, struct cd_strs prefixes, cd_str *ret);

struct cd_http_set_cookie {
        cd_str name, value; /* base64url or similar: no space, comma, semicolon, quotation mark or backslash */
        cd_str domain;      /* empty: the cookie is sent only to the host that set it */
        int64_t max_age;    /* seconds; 0: until the browser is closed; negative: deletes the cookie */
        bool is_plain; /* without Secure: for http on a loopback address, where browsers would drop a Secure cookie */
};

/* Adds Set-Cookie with Path=/, HttpOnly, SameSite=Lax and, unless is_plain, Secure. A name with the prefix "__Host-"
 * requires a cookie without a domain and without is_plain (RFC 6265bis §4.1.3.2). A cookie that breaks these rules, or
 * is larger than CD_HTTP_COOKIE_MAX, makes the response fail, and it becomes a 500. */
void cd_http_response_set_cookie(struct cd_http_response *res, const struct cd_http_set_cookie *cookie);
