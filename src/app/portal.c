#include "app/portal.h"

#include "core/recovery.h"
#include "portal/instance.h"
#include "portal/mail_writer.h"
#include "portal/mails.h"

static cd_status make_mail_writer(struct cd_app_portal *portal, const struct cd_app_portal_options *options,
                                  struct cd_error *reterr)
{
        const struct cd_mail_writer_options mails = {
                .portals = portal->app.portals,
                .sessions = &portal->sessions,
                .factors = &portal->factors,
                .store_state = options->store_state,
                .log = options->log,
        };
        cd_status status = cd_mail_writer_new(&mails, &portal->services.mail_writer, reterr);

        if (status == CD_OK)
                portal->factors.notices = cd_mail_writer_notices(portal->services.mail_writer);
        return status;
}

cd_status cd_app_portal_init(struct cd_app_portal *portal, const struct cd_app_portal_options *options,
                             struct cd_error *reterr)
{
        const struct cd_storage *storage = options->storage;

        portal->app.portals = cd_shared_new(cd_portal_free);
        portal->sessions = (struct cd_sessions){
                .store = storage->store,
                .clock = &cd_clock_system,
                .random = &cd_random_system,
        };
        portal->devices = (struct cd_known_devices){
                .store = storage->store,
                .lockout = options->lockout,
                .macs = cd_known_device_macs_new(storage->master),
                .random = &cd_random_system,
        };
        portal->factors = (struct cd_factors){
                .store = storage->store,
                .lockout = options->lockout,
                .master = storage->master,
                .recovery_codes = cd_recovery_macs_new(storage->master),
                .clock = &cd_clock_system,
                .random = &cd_random_system,
                .networks = options->networks,
                .devices = &portal->devices,
        };
        portal->services = (struct cd_portal_services){
                .sessions = &portal->sessions,
                .factors = &portal->factors,
                .forms = cd_portal_forms_new(storage->master),
                .instance = cd_instance_mac_new(storage->master),
                .store_state = options->store_state,
                .signins = options->signins,
                .networks = options->networks,
                .log = options->log,
        };
        if (!portal->app.portals || !portal->devices.macs || !portal->factors.recovery_codes ||
            !portal->services.forms || !portal->services.instance)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the portal");
        cd_status status = cd_session_ids_key(storage->master, &portal->sessions.ids);
        if (status != CD_OK)
                return cd_fail(reterr, status, "the key of the sessions cannot be derived");
        return make_mail_writer(portal, options, reterr);
}

void cd_app_portal_done(struct cd_app_portal *portal)
{
        cd_mail_writer_free(portal->services.mail_writer);
        cd_shared_free(portal->app.portals);
        cd_mac_free(portal->services.forms);
        cd_mac_free(portal->services.instance);
        cd_mac_free(portal->factors.recovery_codes);
        cd_mac_free(portal->devices.macs);
}

static unsigned factors_of(struct cd_strs names)
{
        unsigned factors = 0;

        if (cd_strs_has(names, CD_STR("password")))
                factors |= CD_FACTOR_PASSWORD;
        if (cd_strs_has(names, CD_STR("totp")))
                factors |= CD_FACTOR_TOTP;
        return factors;
}

cd_status cd_app_portal_make(const struct cd_app_portal *portal, const struct cd_config *config,
                             const struct cd_accounts *accounts, const struct cd_hasher *hasher, struct cd_portal **ret,
                             struct cd_error *reterr)
{
        const struct cd_config_portal *from = &config->portal;
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;
        struct cd_portal_settings settings = {
                .url = from->url,
                .cookie_domain = from->cookie_domain,
                .other_domains = from->other_domains,
                .factors = factors_of(from->factors),
                .registration = (enum cd_portal_registration)from->registration,
                .idle_lifetime = from->session_idle / 1000,
                .lifetime = from->session_lifetime / 1000,
                .remember_for = from->remember_for / 1000,
                .title = from->title,
                .footer = from->footer,
                .accent = CD_PAGE_ACCENT,
                .accounts = accounts,
                .sends_mail = config->smtp.url.len > 0,
                .language = cd_mails_language(from->language),
                .by = {
                        .store = portal->sessions.store,
                        .clock = portal->sessions.clock,
                        .random = portal->sessions.random,
                        .actor = CD_STR("portal"),
                        .hasher = hasher,
                        .password_min = cd_config_password_min(config),
                        .notices = portal->factors.notices,
                },
        };

        cd_arena_init(&arena, CD_SERVICE_ARENA);
        *ret = NULL;
        if (!from->url.len)
                return CD_OK;
        if (from->logo.len && cd_page_url_check(from->logo, &settings.logo) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("portal.logo"), "is not a URL");
        if (from->accent.len && cd_page_colour_parse(from->accent, &settings.accent) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("portal.accent"), "is not a colour");
        cd_status status = cd_config_used_ids(config, &arena, &settings.by.configured, reterr);
        if (status == CD_OK)
                status = cd_config_access_new(config, &settings.access, reterr);
        if (status == CD_OK)
                status = cd_portal_new(&settings, &portal->services, ret, reterr);
        if (status == CD_OK && settings.sends_mail)
                cd_mail_writer_enable(portal->services.mail_writer);
        return status;
}
