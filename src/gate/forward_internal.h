#pragma once
/* Inside of the gate: the parts of cd_gate_forward and cd_gate_backward. */
#include "base/buf.h"
#include "gate/forward.h"

/* ---- forward_target.c ---- */

/* Path and query as the application gets them, and the path alone. CD_INVALID_REQUEST, CD_NO_MEMORY. */
cd_status cd_gate_target(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str *ret,
                         cd_str *ret_path, struct cd_error *reterr);
/* What strip_path takes off, without the last "/"; empty: nothing. */
static inline cd_str cd_gate_stripped(const struct cd_gate_route *route)
{
        return route->strip_path && route->path.len ? cd_str_slice(route->path, 0, route->path.len - 1) : CD_STR("");
}

/* ---- cookies.c ---- */

/* A Cookie header without the cookies of ours that the application must not have (LESSONS 6); all others byte for
 * byte. Empty if none remains. CD_NO_MEMORY. */
cd_status cd_gate_filter_cookies(struct cd_arena *arena, unsigned pass, cd_str cookies, cd_str *ret);
/* A Set-Cookie header for the client. ptr NULL: it is not passed on, since a browser could take it for one of ours.
 * CD_NO_MEMORY. */
cd_status cd_gate_set_cookie(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                             cd_str *ret);

/* ---- location.c ---- */

/* The URL of a Location header as the client must see it: the application's own origin becomes the client's, and the
 * prefix that strip_path took off comes back. Others are returned as they are. CD_NO_MEMORY. */
cd_status cd_gate_location(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                           cd_str *ret);
/* The reverse, for the request header Destination (RFC 4918 §10.3). CD_INVALID_REQUEST: it leads out of the route. */
cd_status cd_gate_destination(const struct cd_gate_route *route, const struct cd_http_request *req, cd_str value,
                              cd_str *ret);
/* The host of an authority, without its port. */
cd_str cd_gate_host_of(cd_str authority);

/* ---- claims.c ---- */

/* Members of a JSON object, without its braces and the user's name: "groups", "email", "name", "auth_type" and, if they
 * are known, "factors" and "auth_time". */
void cd_gate_add_claims(struct cd_buf *buf, const struct cd_live_session *who, const char *auth_type);

/* ---- uwsgi_variables.c ---- */

/* The headers that an HTTP server would receive become variables, after those of the request itself. */
cd_status cd_gate_uwsgi_variables(const struct cd_gate_route *route, const struct cd_http_request *req,
                                  const struct cd_gate_identity *identity, cd_str path,
                                  struct cd_upstream_request *request);
