#pragma once
/* Wrong passwords are counted by account, by unknown name and by address. A counter at its limit makes the next attempt
 * wait: `delay` seconds, then twice that, up to `max_delay` (LESSONS 9, 10, 14). The counters use a fixed 18 MiB of
 * memory: 131,072 accounts, 32,768 unknown names, 131,072 addresses, 131,072 clients, 131,072 addresses of tokens,
 * 16,384 known devices, 32 bytes each, touched only as they fill. A new counter replaces the one with the fewest
 * failures among eight. Unknown names have a table of their own, so that a flood of them cannot replace an account.
 *
 * An attempt begins before the password is hashed and ends after it, and a begun attempt counts. Of many simultaneous
 * attempts, only as many proceed as there are failed attempts left; the others wait until one of those has ended.
 * Otherwise fifty simultaneous attempts would be fifty guesses.
 *
 * One failure is forgotten for every max_delay without a failed attempt, so that in the long run there is one guess per
 * max_delay, regardless of pauses.
 *
 * Wrong client secrets (RFC 6749 §2.3.1) are counted by client and address under the same rules, with two differences,
 * because they are judged in a microsecond and on loops: an attempt is counted after it was judged, and nothing waits.
 * A client that must wait at an address keeps its slot; if all eight slots are kept, another client is not counted
 * until one of them is free.
 *
 * Wrong personal tokens are counted by address alone, in the manner of client secrets: a stranger cannot stop the
 * programs of a user at other addresses.
 *
 * Attempts of a known device (core/known_device.h) follow one another, and after CD_DEVICE_ATTEMPTS wrong ones it has
 * no more, as long as its cookie is valid.
 *
 * Thread-safe. */
#include "base/clock.h"
#include "base/status.h"
#include "core/factor_ports.h"
#include "crypto/random.h"

enum {
        CD_LOCKOUT_ACCOUNTS = 131072,
        CD_LOCKOUT_NAMES = 32768,
        CD_LOCKOUT_ADDRESSES = 131072,
        CD_LOCKOUT_CLIENTS = 131072,
        CD_LOCKOUT_TOKENS = 131072,
        CD_LOCKOUT_DEVICES = 16384,
};

/* Lower values count as the minimum: 1 attempt, 1 second, `delay`. */
struct cd_lockout_rules {
        int64_t account_attempts,
                /* Consecutive wrong attempts before the first delay; unknown names and clients: as accounts. */
                address_attempts;
        cd_time delay, max_delay; /* seconds */
};

enum cd_lockout_kind {
        CD_LOCKOUT_ACCOUNT, /* a user's canonical name */
        CD_LOCKOUT_NAME,    /* a name that no user has, as received */
        /* An IP address as text; IPv6 counts by /64, and IPv4 in IPv6 as IPv4. Empty if it is not known: then nothing
         * is counted or refused by address, and only the account's counter applies. */
        CD_LOCKOUT_ADDRESS,
        /* A client at such an address. Without a known address, the client's counter applies to all such attempts. */
        CD_LOCKOUT_CLIENT,
        /* The address that a personal token came from, as CD_LOCKOUT_ADDRESS, with the same number of attempts. */
        CD_LOCKOUT_TOKEN,
        CD_LOCKOUT_DEVICE, /* the id of a known device */
};

struct cd_lockout_subject {
        enum cd_lockout_kind kind;
        cd_str key;
        cd_str client; /* for CD_LOCKOUT_CLIENT: see struct cd_client; empty: every id without a client */
        /* What the store also knows about an account, from this node or others: the number of failures, and the time of
         * the last one; otherwise 0. */
        int64_t failures;
        cd_time failed_at;
        /* When an operator gave the account a new password or enabled it: failures up to then are forgiven, once. 0:
         * never. */
        cd_time cleared_at;
};

enum cd_lockout_outcome {
        CD_LOCKOUT_WRONG,
        /* Clears an account's counter but not an address's, because one successful login must not pay for guesses. */
        CD_LOCKOUT_RIGHT,
        CD_LOCKOUT_UNJUDGED, /* the attempt could not be judged: nothing is counted */
};

struct cd_lockout;

/* CD_UNAVAILABLE if the random source fails (the tables are keyed), CD_NO_MEMORY. */
cd_status cd_lockout_new(const struct cd_lockout_rules *rules, const struct cd_random *random, struct cd_lockout **ret,
                         struct cd_error *reterr);
void cd_lockout_free(struct cd_lockout *lockout); /* NULL is fine */
/* Seconds without a failed attempt after which one failure is forgotten. */
int64_t cd_lockout_forgets_every(struct cd_lockout *lockout);
/* Replaces the rules; the counters are kept. */
void cd_lockout_set_rules(struct cd_lockout *lockout, const struct cd_lockout_rules *rules);

/* CD_OK: the attempt proceeds, and cd_lockout_end must follow in any case, with the same kind and key. CD_THROTTLED: it
 * must wait for reterr->retry_after seconds. May wait for other attempts of the same subject. Not for a
 * CD_LOCKOUT_CLIENT or CD_LOCKOUT_TOKEN. */
cd_status cd_lockout_begin(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           struct cd_error *reterr);
/* CD_THROTTLED, with the same error, if cd_lockout_begin would refuse an attempt now. CD_OK guarantees nothing. Memory
 * only: counts nothing, and waits for no attempt. For a CD_LOCKOUT_CLIENT or CD_LOCKOUT_TOKEN it decides alone: CD_OK
 * means that the secret may be judged. */
cd_status cd_lockout_check(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now,
                           struct cd_error *reterr);
/* CD_LOCKOUT_WRONG: true if the subject must wait from now on, for the audit: once for each attempt that causes a
 * delay, not for each refused one, so that a flood of those is not a flood of audit events. CD_LOCKOUT_RIGHT: true if
 * it ended wrong ones that this process knows of; the store may not have counted them yet. */
bool cd_lockout_end(struct cd_lockout *lockout, const struct cd_lockout_subject *subject,
                    enum cd_lockout_outcome outcome, cd_time now);

/* Whether any client may have to wait; one atomic load. False: cd_lockout_check would refuse no client. */
bool cd_lockout_locks_clients(const struct cd_lockout *lockout);
/* Counts a wrong secret of a CD_LOCKOUT_CLIENT, or a wrong CD_LOCKOUT_TOKEN. True if the client must wait from now on,
 * for the audit: once for each judged secret, not for each refused attempt. A right secret clears no counter. */
bool cd_lockout_count(struct cd_lockout *lockout, const struct cd_lockout_subject *subject, cd_time now);
