#include "unit/portal/mails_fixture.h"

#include <string.h>

#include "core/admin_users.h"
#include "portal/mail_writer.h"

const struct cd_texts *mails_language(const char *tag)
{
        const struct cd_texts *texts = cd_mails_language(cd_str_from_c(tag));

        assert_non_null(texts);
        return texts;
}

void mails_set_email(struct portal_fixture *p, const char *name, const char *email, bool is_verified)
{
        const struct cd_details_change change = { .email = cd_str_from_c(email), .email_verified = is_verified };
        struct cd_user_result result;

        assert_status(
                cd_admin_user_set_details(&p->f->by, &p->f->arena, cd_str_from_c(name), &change, &result, &p->f->err),
                CD_OK);
}

static void start_writer(struct portal_fixture *p)
{
        const struct cd_mail_writer_options options = {
                .portals = p->app.portals,
                .sessions = &p->f->sessions,
                .factors = &p->f->factors,
                .store_state = &p->store_state,
        };

        assert_status(cd_mail_writer_new(&options, &p->services.mail_writer, &p->f->err), CD_OK);
        cd_mail_writer_enable(p->services.mail_writer);
        const struct cd_notices *notices = cd_mail_writer_notices(p->services.mail_writer);
        p->f->factors.notices = p->login.notices = p->f->by.notices = p->settings.by.notices = notices;
        p->settings.sends_mail = true;
        portal_rebuild(p);
}

/* Everything that was asked for is written when it returns. */
static void stop_writer(struct portal_fixture *p)
{
        cd_mail_writer_free(p->services.mail_writer);
        p->f->factors.notices = p->login.notices = p->f->by.notices = p->settings.by.notices = NULL;
        p->services.mail_writer = NULL;
}

int mails_set_up(void **state)
{
        int failed = portal_set_up(state);

        if (!failed) {
                mails_set_email(*state, "ana", MAILS_ANA, true);
                start_writer(*state);
        }
        return failed;
}

int mails_tear_down(void **state)
{
        stop_writer(*state);
        return portal_tear_down(state);
}

size_t mails_take(struct portal_fixture *p, struct cd_mail ret[MAILS_MAX])
{
        struct cd_store *store = p->f->store;
        struct cd_queued_mail queued;
        cd_time later = p->f->now + 1;
        size_t count = 0;

        stop_writer(p);
        while (store->mails->claim(store, &p->f->arena, later, later + 60, &queued, &p->f->err) == CD_OK) {
                assert_true(count < MAILS_MAX);
                assert_status(cd_mail_unseal(p->f->master, &p->f->arena, &queued, &ret[count++], &p->f->err), CD_OK);
                assert_status(store->mails->remove(store, &queued, NULL, &p->f->err), CD_OK);
        }
        start_writer(p);
        return count;
}

struct cd_mail mails_only(struct portal_fixture *p)
{
        struct cd_mail mails[MAILS_MAX];

        assert_int_equal(mails_take(p, mails), 1);
        return mails[0];
}

bool mail_says(const struct cd_mail *mail, const char *part)
{
        return memmem(mail->text.ptr, mail->text.len, part, strlen(part)) != NULL;
}
