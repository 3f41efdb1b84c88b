/* What a request holds while it is passed on. */
#include "gate/proxy.h"
#include "net/temp_file.h"

void cd_proxy_give_back(struct cd_proxy_held *held)
{
        if (held->call)
                cd_upstream_cancel(held->call);
        cd_temp_file_free(held->file);
        cd_gate_limits_close(held->app->limits, held->request_slot);
        cd_gate_limits_close(held->app->limits, held->socket);
        cd_shared_release(held->version);
        *held = (struct cd_proxy_held){ .app = held->app };
}

void cd_proxy_release(struct cd_proxied *p)
{
        cd_loop_cancel_deadline(cd_http_exchange_loop(p->x), &p->judged_at);
        if (p->judging)
                *p->judging = NULL;
        p->judging = NULL;
        cd_proxy_give_back(&p->held);
        p->gate = NULL;
        p->route = NULL;
}
