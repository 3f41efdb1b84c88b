#pragma once
/* Wrong passwords are counted by account, by made-up name and by address, and a counter that is full makes the next
 * attempt wait: `delay` seconds, then twice that, up to `max_delay` (LESSONS 9, 10, 14). In a fixed memory of 13 MiB:
 * 131,072 accounts, 32,768 made-up names, 131,072 addresses, 131,072 clients, 32 bytes each, touched only as they fill.
 * A new one replaces the one with the fewest failures among eight; made-up names have a table of their own, so that a
 * flood of them cannot push out an account.
 *
 * An attempt is begun before the password is hashed and ended after it, and what is begun counts: of many at once only
 * as many go on as there are failed attempts left, the others wait until one of those has ended. Otherwise fifty at
 * once were fifty guesses.
 *
 * For every max_delay without a failed attempt one failure is forgotten, so that in the long run there is one guess a
 * max_delay, whatever the pauses.
 *
 * Wrong client secrets (RFC 6749 §2.3.1) are counted by client and address under the same rules, with two differences,
 * since they are judged in a microsecond and on loops: an attempt is counted after it was judged, and nothing waits. A
 * client that has to wait at an address keeps its slot; where all eight are kept, another one is not counted until one
 * of them is free. Thread-safe. */
#include "base/clock.h"
#include "base/status.h"
#include "crypto/random.h"

enum {
        CD_LOCKOUT_ACCOUNTS = 131072,
        CD_LOCKOUT_NAMES = 32768,
        CD_LOCKOUT_ADDRESSES = 131072,
        CD_LOCKOUT_CLIENTS = 131072,
};

/* What is below its minimum counts as that: 1 attempt, 1 second, `delay`. */
struct cd_lockout_rules {
        int64_t account_attempts,
                address_attempts; /* wrong ones in a row before the first delay; made-up names, clients: as accounts */
        cd_time delay, max_delay; /* seconds */
};

enum cd_lockout_kind {
        CD_LOCKOUT_ACCOUNT, /* a user's canonical name */
        CD_LOCKOUT_NAME,    /* a name that no user has, as it came */
        /* An IP address as text; IPv6 counts by /64, and IPv4 in IPv6 as IPv4. Empty where it is not known: then
         * nothing is counted or refused by address, and the account's counter alone holds. */
        CD_LOCKOUT_ADDRESS,
        /* A client at such an address. Where that is not known the client's counter holds for all of those. */
        CD_LOCKOUT_CLIENT,
};

struct cd_lockout_subject {
        enum cd_lockout_kind kind;
        cd_str key;
        cd_str client; /* of CD_LOCKOUT_CLIENT: see struct cd_client; empty: every id that no client has */
        /* What the store knows of an account besides, of this node or others: failures, and when the last one was; else
         * 0. */
        int64_t failures;
        cd_time failed_at;
        /* When an operator gave the account a new password or enabled it: failures up to then are forgiven, once. 0:
         * never. */
        cd_time cleared_at;
};

enum cd_lockout_outcome {
        CD_LOCKOUT_WRONG,
        /* empties an account's counter; an address's stays: one good login must not pay for guesses */
        CD_LOCKOUT_RIGHT,
        CD_LOCKOUT_UNJUDGED, /* it came to no answer: nothing is counted */
};

struct cd_lockout;

/* CD_UNAVAILABLE where the random source fails (the tables are keyed), CD_NO_MEMORY. */
cd_status cd_lockout_new(const struct cd_lockout_rules *rules, const struct cd_random *random, struct cd_lockout **ret,
                         struct cd_error *reterr);
void cd_lockout_free(struct cd_lockout *lockout); /* NULL is fine */
/* Seconds without a failed attempt after which one is forgotten. */
int64_t cd_lockout_forgets_every(struct cd_lockout *lockout);
/* Other rules from now on; what was counted stays. */
void cd_lockout_set_rules(struct cd_lockout *lockout, const struct cd_lockout_rules *rules);

/* CD_OK: the attempt goes on, and cd_lockout_end must follow, with the same kind and key, whatever happens.
 * CD_THROTTLED: it does not, and reterr->retry_after says how many seconds it has to wait; *ret_is_news is then whether
 * nobody was told so since the last failed attempt (so that a flood of refused attempts is not a flood of audit
 * events). May wait for other attempts of the same subject. Not for a CD_LOCKOUT_CLIENT. */
cd_status cd_lockout_begin(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           bool *ret_is_news, struct cd_error *reterr);
/* CD_THROTTLED where cd_lockout_begin would refuse an attempt now, and has refused one since the last wrong attempt:
 * the same error. CD_OK says nothing. Memory only: counts nothing, and waits for no attempt. For a CD_LOCKOUT_CLIENT it
 * is the whole question: CD_OK means that the secret may be judged. */
cd_status cd_lockout_check(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           struct cd_error *reterr);
/* True where a right password ended wrong ones of which this process knows; the store may not have counted them yet. */
bool cd_lockout_end(struct cd_lockout *lockout, const struct cd_lockout_subject *subject,
                    enum cd_lockout_outcome outcome, cd_time now);

/* Whether any client may have to wait; one atomic load. False: cd_lockout_check would refuse none. */
bool cd_lockout_locks_clients(const struct cd_lockout *lockout);
/* Counts a wrong secret of a CD_LOCKOUT_CLIENT. True where the client has to wait from now on, for the audit: once for
 * each secret that was judged, not for each that is refused. A right secret empties no counter. */
bool cd_lockout_count(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now);
