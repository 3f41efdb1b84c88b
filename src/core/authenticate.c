#include "core/authenticate.h"

#include "core/lockout.h"
#include "core/metrics.h"

/* *ret_known is NULL for an id without a client. */
static struct cd_lockout_subject subject_of(const struct cd_client_auth *auth, const struct cd_client_credentials *sent,
                                            const struct cd_client **ret_known)
{
        *ret_known = cd_clients_find(auth->clients, sent->id);
        return (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_CLIENT,
                .key = sent->address,
                .client = *ret_known ? (*ret_known)->lockout_key : CD_STR(""),
        };
}

static void audit_locked(const struct cd_client_auth *auth, struct cd_arena *arena, const struct cd_client *known,
                         cd_str address, cd_time now)
{
        cd_str subject = known ? cd_arena_printf(arena, "client:%.*s", CD_STR_ARG(known->id)) : CD_STR("");
        const struct cd_audit_event event = {
                .at = now,
                .action = CD_STR("client.locked"),
                .actor = CD_STR("cardea"),
                .subject = subject.ptr ? subject : CD_STR(""),
                .address = address,
                .detail = known ? CD_STR("too many wrong secrets from the address")
                                : CD_STR("too many unknown client ids from the address"),
        };

        cd_count_lockout(CD_LOCKED_CLIENT);
        (void)auth->store->audit->add_later(auth->store, &event, NULL);
}

static cd_status check_lockout(const struct cd_client_auth *auth, const struct cd_client_credentials *sent, cd_time now,
                               struct cd_error *reterr)
{
        const struct cd_client *known;
        struct cd_lockout_subject subject = subject_of(auth, sent, &known);

        return cd_lockout_check(auth->lockout, &subject, now, reterr);
}

/* CD_OK, or CD_UNAVAILABLE if the clock fails: an attempt that cannot be counted gets no answer. */
static cd_status count_wrong(const struct cd_client_auth *auth, struct cd_arena *arena,
                             const struct cd_client_credentials *sent, struct cd_error *reterr)
{
        const struct cd_client *known;
        struct cd_lockout_subject subject = subject_of(auth, sent, &known);
        cd_time now;

        cd_status status = cd_clock_read(auth->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        if (cd_lockout_count(auth->lockout, &subject, now))
                audit_locked(auth, arena, known, sent->address, now);
        return CD_OK;
}

cd_status cd_authenticate_client_uncounted(const struct cd_client_auth *auth, const struct cd_client_credentials *sent,
                                           const struct cd_client **ret, struct cd_error *reterr)
{
        cd_time now;

        cd_status status = cd_clock_read(auth->clock, &now, reterr);
        if (status == CD_OK && cd_lockout_locks_clients(auth->lockout))
                status = check_lockout(auth, sent, now, reterr);
        if (status != CD_OK)
                return status;
        return cd_clients_authenticate(auth->clients, sent->id, sent->secret, now, ret, reterr);
}

cd_status cd_authenticate_client(const struct cd_client_auth *auth, struct cd_arena *arena,
                                 const struct cd_client_credentials *sent, const struct cd_client **ret,
                                 struct cd_error *reterr)
{
        cd_status status = cd_authenticate_client_uncounted(auth, sent, ret, reterr);

        if (status != CD_INVALID_CLIENT)
                return status;
        cd_status counted = count_wrong(auth, arena, sent, reterr);
        return counted == CD_OK ? status : counted;
}
