#include "portal/portal.h"

#include <stdlib.h>

#include "base/base64.h"
#include "core/cookie_names.h"
#include "portal/visit.h"

enum {
        ARENA_MAX = 1024 * 1024, /* bytes */
        STYLES_MAX = 64 * 1024,  /* bytes */
        STYLES_NAME = 6,         /* bytes of the digest in the name of the styles */
};

struct cd_mac *cd_portal_forms_new(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("portal-form"));
}

/* The prefixes make browsers refuse a cookie of this name that another host or plain http has set (RFC 6265bis
 * §4.1.3). */
static cd_status name_cookies(struct cd_portal *portal, struct cd_error *reterr)
{
        static const char *const names[CD_COOKIE_COUNT] = { "session", "login",   "form",    "enrol",
                                                            "invite",  "reset",   "return",  "start",
                                                            "lang",    "device",  "connect", "failure",
                                                            "signin0", "signin1", "signin2", "signin3" };

        for (size_t i = 0; i < CD_COOKIE_COUNT; i++) {
                const char *prefix = portal->is_plain ? "" : "__Host-";
                portal->cookies[i] = cd_arena_printf(&portal->arena, "%scardea_%s", prefix, names[i]);
                if (!portal->cookies[i].ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
        }
        /* The gate looks for this one. */
        portal->cookies[CD_COOKIE_SESSION] =
                cd_session_cookie_name(!portal->is_plain, portal->settings.cookie_domain.len > 0);
        return CD_OK;
}

/* The name of the file changes with its content, so that browsers may keep it. */
static cd_status write_styles(struct cd_portal *portal, struct cd_error *reterr)
{
        unsigned char digest[CD_SHA256_SIZE];
        char name[16];
        struct cd_buf buf;

        cd_buf_init(&buf, &portal->arena, STYLES_MAX);
        cd_page_styles(&buf, portal->settings.accent);
        if (cd_buf_view(&buf, &portal->styles) != CD_OK || cd_sha256(portal->styles, digest) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal's styles");
        size_t len = cd_base64url_encode(name, cd_str_of((const char *)digest, STYLES_NAME));
        cd_str url = cd_arena_printf(&portal->arena, CD_PORTAL_BASE "/style.css?%.*s", (int)len, name);
        if (!url.ptr || cd_page_url_check(url, &portal->site.styles) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal's styles");
        return CD_OK;
}

static cd_status copy_texts(struct cd_portal *portal, struct cd_error *reterr)
{
        struct cd_portal_settings *own = &portal->settings;
        cd_str *const texts[] = { &own->url, &own->cookie_domain, &own->title, &own->footer, &own->logo.checked };

        for (size_t i = 0; i < CD_LEN(texts); i++) {
                if (!texts[i]->len)
                        continue;
                *texts[i] = cd_arena_copy(&portal->arena, *texts[i]);
                if (!texts[i]->ptr)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
        }
        return CD_OK;
}

static cd_status copy_list(struct cd_portal *portal, struct cd_strs *list, struct cd_error *reterr)
{
        cd_str *items = cd_arena_calloc(&portal->arena, list->count + 1, sizeof(*items));

        for (size_t i = 0; items && i < list->count; i++) {
                items[i] = cd_arena_copy(&portal->arena, list->items[i]);
                if (!items[i].ptr)
                        items = NULL;
        }
        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
        list->items = items;
        return CD_OK;
}

static cd_status fill(struct cd_portal *portal, struct cd_error *reterr)
{
        cd_status status = copy_texts(portal, reterr);
        if (status == CD_OK) /* the names that nobody may register */
                status = copy_list(portal, &portal->settings.by.configured, reterr);
        if (status == CD_OK)
                status = copy_list(portal, &portal->settings.other_domains, reterr);
        if (status == CD_OK)
                status = cd_portal_url_parse(&portal->arena, portal->settings.url, &portal->url, reterr);
        if (status != CD_OK)
                return status;
        portal->is_plain = cd_str_has_prefix(portal->url.origin, CD_STR("http://"));
        portal->site = (struct cd_page_site){
                .title = portal->settings.title,
                .logo = portal->settings.logo,
                .footer = portal->settings.footer,
        };
        if (cd_page_url_check(CD_STR(CD_PORTAL_BASE), &portal->site.base) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "the portal's path is no URL");
        status = name_cookies(portal, reterr);
        return status == CD_OK ? write_styles(portal, reterr) : status;
}

cd_status cd_portal_new(const struct cd_portal_settings *settings, const struct cd_portal_services *services,
                        struct cd_portal **ret, struct cd_error *reterr)
{
        struct cd_portal *portal = calloc(1, sizeof(*portal));

        if (!portal) {
                cd_access_free(settings->access);
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
        }
        cd_arena_init(&portal->arena, ARENA_MAX);
        portal->settings = *settings;
        portal->services = *services;
        if (!portal->settings.factors) /* nobody could log in with what a user would register with */
                portal->settings.registration = CD_REGISTRATION_CLOSED;
        if (!portal->settings.language)
                portal->settings.language = &cd_texts[0];
        cd_status status = fill(portal, reterr);
        if (status != CD_OK) {
                cd_portal_free(portal);
                return status;
        }
        *ret = portal;
        return CD_OK;
}

void cd_portal_free(void *portal)
{
        struct cd_portal *own = portal;

        if (!own)
                return;
        cd_access_free(own->settings.access);
        cd_arena_done(&own->arena);
        free(own);
}
