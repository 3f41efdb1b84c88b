/* Web sockets and other tunnels. A tunnel is judged again and again, as its request was, and cut as soon as that would
 * not be let in any more: the session has ended, the user is locked, or the rules have changed (LESSONS 8). */
#include <stdlib.h>

#include "gate/proxy.h"
#include "gate/route.h"
#include "http/response.h"

enum {
        UNJUDGED_MAX = 25,           /* in a row: 10 seconds, for example without the store */
        JUDGING_MEMORY = 256 * 1024, /* bytes */
};

/* Of one tunnel once. It may outlive the tunnel, whose exchange it holds. */
struct judging {
        struct cd_job job;
        struct cd_proxied *p; /* NULL: the tunnel is over (proxy_held.c) */
        struct cd_exchange *x;
        struct cd_shared_version *version;
        const struct cd_gate *gate; /* the newest */
        const struct cd_gate_route *route;
        struct cd_arena arena;
        struct cd_http_request req; /* the tunnel's, with memory of its own */
        struct cd_http_log_context log;
        struct cd_http_response res;
        struct cd_gate_check check;
        enum cd_gate_verdict verdict;
};

static void free_judging(struct judging *j)
{
        cd_arena_done(&j->arena);
        cd_shared_release(j->version);
        free(j);
}

/* ---- the result ---- */

static void watch(struct cd_proxied *p)
{
        cd_loop_set_deadline(cd_http_exchange_loop(p->x), &p->judged_at, CD_PROXY_JUDGED_EVERY_MS);
}

static void cut(struct cd_proxied *p, const char *reason)
{
        struct cd_exchange *x = p->x;

        p->req->log->error = CD_STR("web_socket_cut");
        p->req->log->reason = cd_str_from_c(reason);
        cd_proxy_release(p);
        cd_http_cancel(x);
}

static void go_on_unjudged(struct cd_proxied *p)
{
        if (++p->unjudged > UNJUDGED_MAX)
                cut(p, "whether the web socket is still allowed cannot be found out");
        else
                watch(p);
}

static void act_on(struct cd_proxied *p, const struct judging *j)
{
        /* 429: the address has sent wrong tokens, which says nothing of this one. */
        bool is_known = j->verdict == CD_GATE_DECIDED || (j->res.status != 503 && j->res.status != 429);
        bool is_allowed = j->verdict == CD_GATE_DECIDED && j->check.decision.outcome == CD_ACCESS_ALLOW;

        if (!is_known)
                return go_on_unjudged(p);
        if (!is_allowed)
                return cut(p, "the session has ended, or the rules do not allow the web socket any more");
        if (!cd_str_eq(j->route->name, p->req->log->route) || !cd_str_eq(j->check.session.user, p->check.session.user))
                return cut(p, "the web socket would be of another route or another user now");
        p->unjudged = 0;
        watch(p);
}

/* Of a request that would be let in: under the name that it had when it was. */
static void identify(struct judging *j)
{
        bool is_allowed = j->verdict == CD_GATE_DECIDED && j->check.decision.outcome == CD_ACCESS_ALLOW;

        if (is_allowed && !cd_gate_identify(&j->req, &j->check, &j->res))
                j->verdict = CD_GATE_ANSWERED;
}

/* ---- on a worker ---- */

static void ask_store(struct cd_job *job)
{
        struct judging *j = (void *)((char *)job - offsetof(struct judging, job));

        j->verdict = cd_gate_judge_with_store(j->gate, &j->req, &j->check, &j->res);
        identify(j);
}

static void store_was_asked(struct cd_job *job)
{
        struct judging *j = (void *)((char *)job - offsetof(struct judging, job));
        struct cd_exchange *x = j->x;

        if (j->p) {
                j->p->judging = NULL;
                act_on(j->p, j);
        }
        free_judging(j);
        cd_http_exchange_release(x);
}

static bool submit(struct cd_proxied *p, struct judging *j)
{
        j->job = (struct cd_job){ .run = ask_store, .done = store_was_asked };
        if (cd_http_submit(p->x, CD_HTTP_WORKER, &j->job) != CD_OK)
                return false;
        j->p = p;
        j->x = p->x;
        p->judging = &j->p;
        cd_http_exchange_hold(p->x);
        return true;
}

/* ---- judging ---- */

static struct judging *new_judging(const struct cd_proxied *p)
{
        struct judging *j = calloc(1, sizeof(*j));

        if (!j)
                return NULL;
        cd_arena_init(&j->arena, JUDGING_MEMORY);
        j->gate = cd_shared_hold(p->held.app->gates, &j->version);
        j->req = *p->req;
        j->req.arena = &j->arena;
        j->req.log = &j->log;
        cd_http_response_init(&j->res, NULL, &j->arena);
        return j;
}

/* False: the request cannot even be read. */
static bool judge(struct judging *j)
{
        struct cd_error err = { 0 };
        cd_str reason;

        if (cd_gate_read_check(j->gate, &j->req, CD_ORIGINAL_GATE, &j->check, &err) != CD_OK)
                return false;
        j->route = cd_proxy_choose_route(j->gate, &j->req, &j->check, &reason);
        if (!j->route) {
                j->verdict = CD_GATE_DECIDED;
                j->check.decision.outcome = CD_ACCESS_DENY;
        } else {
                j->verdict = cd_gate_judge(j->gate, &j->req, &j->check, &j->res);
                identify(j);
        }
        return true;
}

static void on_due(struct cd_deadline *deadline)
{
        struct cd_proxied *p = (void *)((char *)deadline - offsetof(struct cd_proxied, judged_at));
        struct judging *j = new_judging(p);
        bool is_judged = j && judge(j);

        if (is_judged && j->verdict == CD_GATE_ASK_STORE) {
                if (submit(p, j))
                        return; /* store_was_asked goes on */
                is_judged = false;
        }
        if (is_judged)
                act_on(p, j);
        else
                go_on_unjudged(p);
        if (j)
                free_judging(j);
}

/* ---- the tunnel ---- */

void cd_proxy_open_tunnel(struct cd_proxied *p, cd_str protocol)
{
        struct cd_http_response *res = cd_http_exchange_response(p->x);
        struct cd_proxy_held held = p->held; /* if the head cannot be sent, the exchange is over, and p with it */

        cd_http_response_header(res, CD_STR("Upgrade"),
                                cd_arena_copy(p->req->arena, protocol.len ? protocol : p->req->upgrade));
        p->is_tunnel = p->is_pulling = true;
        p->input_ended = false;
        if (!cd_http_upgrade(p->x)) {
                cd_proxy_give_back(&held);
                return;
        }
        /* A tunnel may last for days. */
        cd_shared_release(p->held.version);
        p->held.version = NULL;
        p->gate = NULL;
        p->route = NULL;
        p->judged_at.expired = on_due;
        watch(p);
        cd_http_pull(p->x, CD_PROXY_WINDOW);
}

void cd_proxy_end_output(struct cd_proxied *p)
{
        struct cd_exchange *x = p->x;

        p->output_ended = true;
        if (!p->input_ended) {
                cd_http_push_end(x);
                return;
        }
        cd_proxy_release(p);
        cd_http_end(x);
}
