/* Where a login with a provider begins. */
#include "portal/signin.h"

#include "base/percent.h"

cd_str cd_portal_url_for(const struct cd_visit *visit, cd_str path, cd_str return_to)
{
        cd_str bare = cd_arena_printf(visit->req->arena, CD_PORTAL_BASE "%.*s", CD_STR_ARG(path)), url;
        struct cd_buf buf;

        if (!return_to.len || !bare.ptr)
                return bare;
        cd_buf_init(&buf, visit->req->arena, CD_PAGE_URL_MAX);
        cd_buf_add(&buf, bare);
        cd_buf_add(&buf, cd_str_index(bare, '?') < bare.len ? CD_STR("&return_to=") : CD_STR("?return_to="));
        cd_percent_encode(&buf, return_to);
        return cd_buf_view(&buf, &url) == CD_OK ? url : bare;
}

cd_str cd_portal_signin_url(const struct cd_visit *visit, const struct cd_signin_provider *provider, cd_str return_to,
                            bool again)
{
        cd_str path = cd_arena_printf(visit->req->arena, "/signin/%.*s%s", CD_STR_ARG(cd_signin_name(provider)),
                                      again ? "?again=1" : "");

        return path.ptr ? cd_portal_url_for(visit, path, return_to) : path;
}

struct cd_portal_providers cd_portal_providers_list(const struct cd_visit *visit, cd_str return_to, bool again)
{
        size_t count = visit->signin ? cd_signin_count(visit->signin) : 0;
        struct cd_portal_providers ret = { cd_arena_calloc(visit->req->arena, count + 1, sizeof(*ret.items)), 0 };

        for (size_t i = 0; ret.items && i < count; i++) {
                const struct cd_signin_provider *provider = cd_signin_at(visit->signin, i);
                struct cd_page_provider *item = &ret.items[ret.count];
                item->name = cd_signin_name(provider);
                item->label = cd_signin_label(provider);
                if (cd_page_url_check(cd_portal_signin_url(visit, provider, return_to, again), &item->url) == CD_OK)
                        ret.count++;
        }
        return ret;
}
