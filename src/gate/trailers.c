/* Trailers of a response. A client may join them with the headers (RFC 9110 §6.5.1), after everybody between has looked
 * at the headers alone. */
#include "gate/forward_internal.h"
#include "gate/request_header.h"

/* Fields that say where the message ends or goes, who may do what, how it is cached or what it contains (RFC 9110
 * §6.5.1), and those by which a browser acts for the whole site. */
static const cd_str refused[] = {
        CD_STR_INIT("Accept-CH"),
        CD_STR_INIT("Age"),
        CD_STR_INIT("Allow"),
        CD_STR_INIT("Alt-Svc"),
        CD_STR_INIT("Authentication-Control"),
        CD_STR_INIT("Authentication-Info"),
        CD_STR_INIT("Cache-Control"),
        CD_STR_INIT("CDN-Cache-Control"),
        CD_STR_INIT("Clear-Site-Data"),
        CD_STR_INIT("Critical-CH"),
        CD_STR_INIT("Date"),
        CD_STR_INIT("Document-Policy"),
        CD_STR_INIT("Expect-CT"),
        CD_STR_INIT("Expires"),
        CD_STR_INIT("Feature-Policy"),
        CD_STR_INIT("Integrity-Policy"),
        CD_STR_INIT("Link"),
        CD_STR_INIT("Location"),
        CD_STR_INIT("Max-Forwards"),
        CD_STR_INIT("NEL"),
        CD_STR_INIT("Origin-Agent-Cluster"),
        CD_STR_INIT("P3P"),
        CD_STR_INIT("Permissions-Policy"),
        CD_STR_INIT("Pragma"),
        CD_STR_INIT("Range"),
        CD_STR_INIT("Referrer-Policy"),
        CD_STR_INIT("Refresh"),
        CD_STR_INIT("Reporting-Endpoints"),
        CD_STR_INIT("Report-To"),
        CD_STR_INIT("Require-Document-Policy"),
        CD_STR_INIT("Retry-After"),
        CD_STR_INIT("Server"),
        CD_STR_INIT("Service-Worker-Allowed"),
        CD_STR_INIT("Set-Cookie"),
        CD_STR_INIT("Set-Cookie2"),
        CD_STR_INIT("Set-Login"),
        CD_STR_INIT("SourceMap"),
        CD_STR_INIT("Speculation-Rules"),
        CD_STR_INIT("Strict-Transport-Security"),
        CD_STR_INIT("Supports-Loading-Mode"),
        CD_STR_INIT("Surrogate-Control"),
        CD_STR_INIT("Timing-Allow-Origin"),
        CD_STR_INIT("Vary"),
        CD_STR_INIT("Warning"),
        CD_STR_INIT("WWW-Authenticate"),
        CD_STR_INIT("X-Content-Type-Options"),
        CD_STR_INIT("X-DNS-Prefetch-Control"),
        CD_STR_INIT("X-Download-Options"),
        CD_STR_INIT("X-Frame-Options"),
        CD_STR_INIT("X-Permitted-Cross-Domain-Policies"),
        CD_STR_INIT("X-Robots-Tag"),
        CD_STR_INIT("X-SourceMap"),
        CD_STR_INIT("X-UA-Compatible"),
        CD_STR_INIT("X-XSS-Protection"),
};

static const cd_str refused_beginnings[] = {
        CD_STR_INIT("Access-Control-"), CD_STR_INIT("Content-"), CD_STR_INIT("Cross-Origin-"), CD_STR_INIT("If-"),
        CD_STR_INIT("Proxy-"),          CD_STR_INIT("Public-"),  CD_STR_INIT("Sec-"),          CD_STR_INIT("X-Accel-"),
};

/* Of what was sent, which only the end of the body tells (RFC 9530, RFC 1864). */
static bool is_digest(cd_str name)
{
        return cd_str_eq_nocase(name, CD_STR("Content-Digest")) || cd_str_eq_nocase(name, CD_STR("Content-MD5"));
}

static bool is_harmless(const struct cd_gate_route *route, cd_str name)
{
        if (is_digest(name))
                return true;
        for (size_t i = 0; i < CD_LEN(refused); i++)
                if (cd_str_eq_nocase(name, refused[i]))
                        return false;
        for (size_t i = 0; i < CD_LEN(refused_beginnings); i++)
                if (cd_str_eq_nocase(cd_str_slice(name, 0, refused_beginnings[i].len), refused_beginnings[i]))
                        return false;
        /* Also what a client may not send to an application. */
        return cd_gate_header_of(name, route) == CD_GATE_HEADER_PASSED;
}

bool cd_gate_trailers(const struct cd_gate_route *route, const struct cd_http_request *req,
                      const struct cd_http_header *trailers, size_t count, struct cd_http_response *res)
{
        struct cd_http_header *copies = cd_arena_calloc(req->arena, count + 1, sizeof(*copies));

        if (!copies)
                return false;
        res->trailers = copies;
        for (size_t i = 0; i < count; i++) {
                if (!is_harmless(route, trailers[i].name))
                        continue;
                struct cd_http_header *to = &copies[res->trailer_count++];
                to->name = cd_arena_copy(req->arena, trailers[i].name);
                to->value = cd_arena_copy(req->arena, trailers[i].value);
                if (!to->name.ptr || !to->value.ptr)
                        return false;
        }
        return true;
}
