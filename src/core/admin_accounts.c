#include "core/admin_accounts.h"

static cd_status check(const struct cd_account_params *params, struct cd_error *reterr)
{
        cd_str provider = params->provider, subject = params->subject;
        bool is_name = provider.len > 0 && provider.len <= CD_PROVIDER_NAME_MAX;

        for (size_t i = 0; i < provider.len; i++) {
                char c = provider.ptr[i];
                is_name &= (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        }
        if (!is_name)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("provider"),
                                "is not a name of 1 to %d letters a-z, digits and -; use the name in signin.providers",
                                CD_PROVIDER_NAME_MAX);
        bool is_subject = subject.len > 0 && subject.len <= CD_PROVIDER_SUBJECT_MAX && cd_str_is_utf8(subject);
        for (size_t i = 0; i < subject.len; i++)
                is_subject &= (unsigned char)subject.ptr[i] > ' ' && subject.ptr[i] != 0x7f;
        if (!is_subject)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("subject"),
                                "is not 1 to %d bytes without white space; use the id of the account at the provider, "
                                "not its name",
                                CD_PROVIDER_SUBJECT_MAX);
        return CD_OK;
}

struct change {
        const char *action;
        struct cd_provider_account account; /* of a user who exists */
        struct cd_audit_event event;        /* with the detail "github 583231" */
};

static cd_status begin(const struct cd_operator *by, struct cd_arena *arena, const struct cd_account_params *params,
                       struct change *change, struct cd_error *reterr)
{
        struct cd_audit_event *event = &change->event;
        struct cd_user user;
        cd_status status = check(params, reterr);

        if (status == CD_OK)
                status = cd_admin_user_find(by, arena, params->user, &user, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, change->action, user.name, event, reterr);
        if (status != CD_OK)
                return status;
        event->detail = cd_arena_printf(arena, "%.*s %.*s", CD_STR_ARG(params->provider), CD_STR_ARG(params->subject));
        change->account = (struct cd_provider_account){ .provider = params->provider,
                                                        .subject = params->subject,
                                                        .user = user.name,
                                                        .login = CD_STR(""),
                                                        .linked_at = event->at };
        return event->detail.ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for the audit event");
}

cd_status cd_admin_account_link(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_account_params *params, struct cd_user_result *ret,
                                struct cd_error *reterr)
{
        struct change change = { .action = "user.link" };
        const struct cd_provider_account *account = &change.account;
        struct cd_provider_account other;
        struct cd_store *store = by->store;

        cd_status status = begin(by, arena, params, &change, reterr);
        if (status != CD_OK)
                return status;
        status = store->provider_accounts->add(store, account, &change.event, reterr);
        if (status == CD_EXISTS &&
            store->provider_accounts->find(store, arena, account->provider, account->subject, &other, reterr) == CD_OK)
                return cd_failf(reterr, CD_EXISTS, CD_STR("subject"), "the account is linked to user \"%.*s\" already",
                                CD_STR_ARG(other.user));
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = account->user, .changed = true };
        return status;
}

cd_status cd_admin_account_unlink(const struct cd_operator *by, struct cd_arena *arena,
                                  const struct cd_account_params *params, struct cd_user_result *ret,
                                  struct cd_error *reterr)
{
        struct change change = { .action = "user.unlink" };
        const struct cd_provider_account *account = &change.account;

        cd_status status = begin(by, arena, params, &change, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->provider_accounts->remove(by->store, account, NULL, &change.event, reterr);
        if (status == CD_NOT_FOUND)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("subject"),
                                "user \"%.*s\" is not linked to account %.*s of %.*s", CD_STR_ARG(account->user),
                                CD_STR_ARG(account->subject), CD_STR_ARG(account->provider));
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = account->user, .changed = true };
        return status;
}
