#pragma once
/* A portal that sends e-mails; ana has a verified address. */
#include "core/mail.h"
#include "portal/mails.h"
#include "unit/portal/portal_fixture.h"

enum {
        MAILS_MAX = 16 /* in a test */
};

#define MAILS_ANA "ana@example.com"

int mails_set_up(void **state); /* a struct portal_fixture */
int mails_tear_down(void **state);
#define MAILS_TEST(test) cmocka_unit_test_setup_teardown(test, mails_set_up, mails_tear_down)

const struct cd_texts *mails_language(const char *tag);
void mails_set_email(struct portal_fixture *p, const char *name, const char *email, bool is_verified);
/* What is in the queue once everything that was asked for is written, the first first; the queue is then empty. */
size_t mails_take(struct portal_fixture *p, struct cd_mail ret[MAILS_MAX]);
/* The one that is in it. */
struct cd_mail mails_only(struct portal_fixture *p);
bool mail_says(const struct cd_mail *mail, const char *part);
