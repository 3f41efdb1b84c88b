/* The variables of a uwsgi block: those of nginx's uwsgi_params with nginx's meaning, who the user is, and HTTP_* for
 * each header that an HTTP server would receive. Only Cardea can set REMOTE_USER and AUTH_TYPE. */
#include "base/percent.h"
#include "gate/forward_internal.h"

enum {
        FIXED_MAX = 21,  /* variables that are no headers, and HTTP_CONTENT_LENGTH */
        NUMBER_MAX = 20, /* digits of a 64-bit number, with its sign */
};

struct block {
        const struct cd_gate_route *route;
        const struct cd_http_request *req;
        struct cd_http_header *variables;
        size_t count, room;
        size_t fixed;  /* how many are no headers */
        uint64_t seen; /* a bit for each name so far: most headers come once */
        bool failed;
};

static void add(struct block *b, cd_str name, cd_str value)
{
        if (b->count < b->room)
                b->variables[b->count++] = (struct cd_http_header){ name, value.ptr ? value : CD_STR("") };
        else /* never: FIXED_MAX is too small */
                b->failed = true;
}

static void add_number(struct block *b, cd_str name, int64_t number)
{
        struct cd_buf buf;
        cd_str value = { NULL, 0 };

        cd_buf_init(&buf, b->req->arena, NUMBER_MAX);
        cd_buf_reserve(&buf, NUMBER_MAX);
        cd_buf_add_i64(&buf, number);
        b->failed |= cd_buf_view(&buf, &value) != CD_OK;
        add(b, name, value);
}

/* As nginx's $uri: decoded, with one "/" where there are several. A canonical path rarely needs either. */
static cd_str decode(struct block *b, cd_str path)
{
        cd_str decoded;
        size_t len = 0;

        if (cd_percent_decode(b->req->arena, path, false, &decoded) != CD_OK) {
                b->failed = true;
                return CD_STR("");
        }
        if (b->route->paths == CD_GATE_CANONICAL)
                return decoded;
        char *to = cd_arena_alloc(b->req->arena, decoded.len + 1);
        if (!to) {
                b->failed = true;
                return CD_STR("");
        }
        for (size_t i = 0; i < decoded.len; i++)
                if (decoded.ptr[i] != '/' || len == 0 || to[len - 1] != '/')
                        to[len++] = decoded.ptr[i];
        return cd_str_of(to, len);
}

/* Empty where there is none, as in nginx. */
static void add_port(struct block *b, cd_str name, uint16_t port)
{
        if (port)
                add_number(b, name, port);
        else
                add(b, name, CD_STR(""));
}

static cd_str request_uri(struct block *b, cd_str target)
{
        cd_str prefix = cd_gate_stripped(b->route);

        if (prefix.len == 0)
                return target;
        cd_str uri = cd_arena_printf(b->req->arena, "%.*s%.*s", CD_STR_ARG(prefix), CD_STR_ARG(target));
        b->failed |= !uri.ptr;
        return uri;
}

/* Empty if nothing tells, as in nginx. */
static void add_length(struct block *b, int64_t length)
{
        if (length > 0 || cd_http_header_get(b->req, CD_STR("Content-Length")).ptr ||
            cd_http_header_get(b->req, CD_STR("Transfer-Encoding")).ptr)
                add_number(b, CD_STR("CONTENT_LENGTH"), length > 0 ? length : 0);
        else
                add(b, CD_STR("CONTENT_LENGTH"), CD_STR(""));
}

static void add_client(struct block *b)
{
        const struct cd_http_request *req = b->req;
        bool is_peer = cd_str_eq(req->peer, req->client_address);

        add(b, CD_STR("REMOTE_ADDR"), req->client_address);
        add_port(b, CD_STR("REMOTE_PORT"), is_peer ? req->peer_port : 0);
}

static void add_request(struct block *b, const struct cd_upstream_request *request, cd_str path)
{
        const struct cd_http_request *req = b->req;
        cd_str prefix = cd_gate_stripped(b->route);

        add(b, CD_STR("QUERY_STRING"), req->query);
        add(b, CD_STR("REQUEST_METHOD"), req->method_name);
        add(b, CD_STR("CONTENT_TYPE"), cd_http_header_get(req, CD_STR("Content-Type")));
        add_length(b, request->length);
        add(b, CD_STR("REQUEST_URI"), request_uri(b, request->target));
        add(b, CD_STR("PATH_INFO"), decode(b, path));
        add(b, CD_STR("DOCUMENT_ROOT"), CD_STR(""));
        add(b, CD_STR("SERVER_PROTOCOL"), req->protocol);
        add(b, CD_STR("REQUEST_SCHEME"), req->scheme);
        if (cd_str_eq(req->scheme, CD_STR("https")))
                add(b, CD_STR("HTTPS"), CD_STR("on"));
        add_client(b);
        add_port(b, CD_STR("SERVER_PORT"), req->local_port);
        add(b, CD_STR("SERVER_NAME"), req->host);
        if (prefix.len) /* PEP 3333: with PATH_INFO it is the path that the client used */
                add(b, CD_STR("SCRIPT_NAME"), decode(b, prefix));
}

static void add_identity(struct block *b, const struct cd_gate_identity *identity)
{
        const struct cd_live_session *who = identity->who;
        cd_str claims = CD_STR("{}");
        struct cd_buf buf;

        if (who) {
                cd_buf_init(&buf, b->req->arena, b->req->arena->ceiling);
                cd_buf_reserve(&buf, 160 + who->user.len + who->groups.len + who->email.len + who->display_name.len);
                cd_buf_add(&buf, CD_STR("{\"user\":"));
                cd_buf_add_json(&buf, who->user);
                cd_buf_add_char(&buf, ',');
                cd_gate_add_claims(&buf, who, identity->auth_type);
                cd_buf_add_char(&buf, '}');
                b->failed |= cd_buf_view(&buf, &claims) != CD_OK;
        }
        add(b, CD_STR("REMOTE_USER"), who ? who->user : CD_STR(""));
        add(b, CD_STR("AUTH_TYPE"), cd_str_from_c(identity->auth_type));
        add(b, CD_STR("CARDEA_GROUPS"), who ? who->groups : CD_STR(""));
        add(b, CD_STR("CARDEA_CLAIMS"), claims);
        if (b->route->pass_token.len)
                add(b, b->route->token_header, identity->provider_token);
}

/* ---- headers ---- */

/* "HTTP_X_NAME" at `to`. False for a name with other characters than letters, digits and hyphens, which nginx drops
 * too: it could become the variable of another header (LESSONS 4). */
static bool map_name(cd_str name, char *to)
{
        /* From "-" to "z"; NUL: has no place in a variable's name. */
        static const char mapped[] = "_\0\0"
                                     "0123456789"
                                     "\0\0\0\0\0\0\0"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "\0\0\0\0\0\0"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

        memcpy(to, "HTTP_", 5);
        to += 5;
        for (size_t i = 0; i < name.len; i++) {
                unsigned at = (unsigned char)name.ptr[i] - (unsigned)'-';
                to[i] = at < sizeof(mapped) ? mapped[at] : '\0';
                if (to[i] == '\0')
                        return false;
        }
        return true;
}

/* Headers with one name become one variable (RFC 9110 §5.3). */
static bool join(struct block *b, cd_str name, cd_str value)
{
        uint64_t bit = 1ULL << ((name.len * 8 + (unsigned char)name.ptr[name.len - 1]) % 64);

        if (!(b->seen & bit)) {
                b->seen |= bit;
                return false;
        }
        for (size_t i = b->fixed; i < b->count; i++) {
                cd_str *earlier = &b->variables[i].value;
                if (!cd_str_eq(b->variables[i].name, name))
                        continue;
                *earlier = cd_arena_printf(b->req->arena, "%.*s, %.*s", CD_STR_ARG(*earlier), CD_STR_ARG(value));
                b->failed |= !earlier->ptr;
                return true;
        }
        return false;
}

static void add_headers(struct block *b, const struct cd_http_header *headers, size_t count, char *names)
{
        b->fixed = b->count;
        for (size_t i = 0; i < count && !b->failed; i++) {
                cd_str name = cd_str_of(names, headers[i].name.len + 5);
                if (!map_name(headers[i].name, names) || join(b, name, headers[i].value))
                        continue;
                add(b, name, headers[i].value);
                names += name.len;
        }
}

cd_status cd_gate_uwsgi_variables(const struct cd_gate_route *route, const struct cd_http_request *req,
                                  const struct cd_gate_identity *identity, cd_str path,
                                  struct cd_upstream_request *request)
{
        struct block b = { .route = route, .req = req };
        cd_str length = cd_http_header_get(req, CD_STR("Content-Length"));
        size_t room = 0;

        for (size_t i = 0; i < request->field_count; i++)
                room += request->fields[i].name.len + 5;
        b.room = FIXED_MAX + request->field_count;
        b.variables = cd_arena_alloc(req->arena, b.room * sizeof(*b.variables));
        char *names = cd_arena_alloc(req->arena, room + 1);
        if (!b.variables || !names)
                return CD_NO_MEMORY;
        add_request(&b, request, path);
        add_identity(&b, identity);
        if (length.ptr) /* as nginx */
                add(&b, CD_STR("HTTP_CONTENT_LENGTH"), length);
        add_headers(&b, request->fields, request->field_count, names);
        request->fields = b.variables;
        request->field_count = b.count;
        return b.failed ? CD_NO_MEMORY : CD_OK;
}
