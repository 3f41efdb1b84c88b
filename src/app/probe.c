#include "app/probe.h"

#include <errno.h>
#include <string.h>

#include "app/storage.h"
#include "net/listen.h"
#include "net/listen_address.h"

static const char *owner_of(cd_str address, char to[CD_LISTEN_OWNER_MAX])
{
        struct cd_listen_address where;

        to[0] = '\0';
        if (cd_listen_address_parse(address, &where, NULL) == CD_OK && where.kind == CD_LISTEN_TCP)
                cd_listen_owner(&where.socket, to);
        return to[0] ? to : "something";
}

static void check_address(const char *name, size_t index, cd_str address, struct cd_report *report)
{
        cd_str setting = cd_arena_printf(report->arena, "%s[%zu]", name, index);
        char owner[CD_LISTEN_OWNER_MAX];

        if (cd_str_has_prefix(address, CD_STR("systemd:")))
                return cd_report_about(report, CD_FINDING_OK, setting, NULL,
                                       "%.*s comes from systemd at the start and is not tried here",
                                       CD_STR_ARG(address));
        int error = cd_probe_listen(address);
        const char *fix = cd_listen_fix(cd_str_has_prefix(address, CD_STR("unix:")), error);
        if (error == 0)
                cd_report_about(report, CD_FINDING_OK, setting, NULL, "%.*s can be listened on", CD_STR_ARG(address));
        else if (error == EADDRINUSE)
                cd_report_about(
                        report, CD_FINDING_WARNING, setting,
                        cd_arena_printf(report->arena, "no problem if it is this service itself, otherwise %s", fix)
                                .ptr,
                        "%s listens on %.*s already", owner_of(address, owner), CD_STR_ARG(address));
        else
                cd_report_about(report, CD_FINDING_ERROR, setting, fix, "%.*s cannot be listened on: %s",
                                CD_STR_ARG(address), strerror(error));
}

static void check_addresses(const struct cd_service_settings *settings, struct cd_report *report)
{
        const struct cd_http_listen *listeners = settings->listen.items;

        for (size_t i = 0; i < settings->listen.count; i++)
                check_address("listen", i, listeners[i].address, report);
        for (size_t i = 0; i < settings->redirect_listen.count; i++)
                check_address("redirect_listen", i, settings->redirect_listen.items[i], report);
        for (size_t i = 0; i < settings->metrics.listen.count; i++)
                check_address("metrics.listen", i, settings->metrics.listen.items[i], report);
}

void cd_config_probe(const void *arg, enum cd_check_purpose purpose, struct cd_report *report)
{
        const struct cd_config *config = arg;

        if (purpose == CD_CHECK_RELOAD) /* the server has the store open, and says itself when it is unavailable */
                return;
        cd_storage_check(config, purpose, report);
        if (purpose == CD_CHECK_ONLY) /* a server that starts opens them next */
                check_addresses(&config->service, report);
}
