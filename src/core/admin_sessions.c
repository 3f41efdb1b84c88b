#include "core/admin_sessions.h"

#include "core/notice.h"
#include "core/user_totp.h"
#include "crypto/otpauth.h"

cd_status cd_admin_sessions_list(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                 struct cd_sessions_list *ret, struct cd_error *reterr)
{
        struct cd_user user;
        cd_time now;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_clock_read(by->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        return by->store->sessions->list(by->store, arena, user.name, now, ret, reterr);
}

cd_status cd_admin_session_end(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str sid,
                               struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_audit_event event;
        struct cd_user user;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.end_session", user.name, &event, reterr);
        if (status != CD_OK)
                return status;
        event.detail = sid;
        const struct cd_session_ending ending = { .user = user.name, .sid = sid, .now = event.at };
        status = by->store->sessions->end(by->store, &ending, &event, reterr);
        if (status == CD_NOT_FOUND)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("id"), "user \"%.*s\" has no session of that id",
                                CD_STR_ARG(user.name));
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = user.name };
        return status;
}

cd_status cd_admin_sessions_end(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = { .ends_sessions = true };
        struct cd_audit_event event;
        struct cd_user user;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.end_sessions", user.name, &event, reterr);
        if (status != CD_OK)
                return status;
        change.name = user.name;
        change.now = event.at;
        status = by->store->users->update(by->store, &change, &event, reterr);
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = user.name };
        return status;
}

cd_status cd_admin_tokens_list(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               struct cd_personal_tokens_list *ret, struct cd_error *reterr)
{
        struct cd_user user;
        cd_time now;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_clock_read(by->clock, &now, reterr);
        if (status != CD_OK)
                return status;
        return by->store->personal_tokens->list(by->store, arena, user.name, now, ret, reterr);
}

cd_status cd_admin_token_revoke(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str id,
                                struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_personal_token token = { .id = id };
        struct cd_audit_event event;
        struct cd_user user;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.revoke_token", user.name, &event, reterr);
        if (status != CD_OK)
                return status;
        event.detail = id;
        token.user = user.name;
        status = by->store->personal_tokens->end(by->store, &token, event.at, &event, reterr);
        if (status == CD_NOT_FOUND)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("id"), "user \"%.*s\" has no token of that id",
                                CD_STR_ARG(user.name));
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = user.name };
        return status;
}

cd_status cd_admin_totp_reset(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                              struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_audit_event event;
        struct cd_user user;
        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);

        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.totp_reset", user.name, &event, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->totp->remove(by->store, user.name, event.at, &event, reterr);
        if (status == CD_NOT_FOUND)
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("totp"), "user \"%.*s\" has no TOTP factor",
                                CD_STR_ARG(user.name));
        if (status != CD_OK)
                return status;
        *ret = (struct cd_user_result){ .name = user.name };
        cd_notice_tell(by->notices, CD_NOTICE_TOTP_REMOVED, user.name, by->address);
        return CD_OK;
}

static cd_status fail_has_one(cd_str name, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_EXISTS, CD_STR("totp"), "user \"%.*s\" has a TOTP factor already", CD_STR_ARG(name));
}

static cd_status write_factor(const struct cd_operator *by, struct cd_arena *arena, const struct cd_totp_change *totp,
                              struct cd_error *reterr)
{
        struct cd_user_change change = { .name = totp->factor.user, .totp = totp };
        struct cd_audit_event event;
        cd_status status = cd_operator_event(by, arena, "user.import", change.name, &event, reterr);

        if (status != CD_OK)
                return status;
        event.detail = CD_STR("totp");
        change.now = event.at;
        status = by->store->users->update(by->store, &change, &event, reterr);
        return status == CD_EXISTS ? fail_has_one(change.name, reterr) : status;
}

cd_status cd_admin_totp_import(const struct cd_operator *by, struct cd_arena *arena,
                               const struct cd_totp_import *import, struct cd_totp_imported *ret,
                               struct cd_error *reterr)
{
        struct cd_user_totp_change totp;
        struct cd_totp_factor factor;
        struct cd_otpauth found;
        struct cd_user user;
        cd_status status = cd_otpauth_parse(arena, import->uri, &found, reterr);

        if (status == CD_OK)
                status = cd_admin_user_find(by, arena, found.account, &user, reterr);
        if (status == CD_OK)
                status = cd_user_totp_read(by, arena, user.name, import->uri, &factor, reterr);
        if (status == CD_OK)
                status = cd_user_totp_compare(by, arena, &factor, &totp, reterr);
        if (status != CD_OK)
                return status;
        if (totp.had_one && !import->replaces)
                return fail_has_one(user.name, reterr);
        if (!totp.is_same && !import->dry_run)
                status = write_factor(by, arena, &totp.change, reterr);
        if (status == CD_OK)
                *ret = (struct cd_totp_imported){ user.name, totp.had_one };
        return status;
}
