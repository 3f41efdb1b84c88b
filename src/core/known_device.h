#pragma once
/* Known devices: browsers that have completed a login carry a cookie, by which their attempts have a counter of their
 * own (OWASP: "Slow Down Online Guessing Attacks with Device Cookies"). So the guesses of strangers, which lock the
 * account, do not lock out its owner.
 *
 * The cookie names no user. It has a MAC over the user and the user's generation, so that a change that ends the user's
 * sessions makes it void, and over the time at which it expires. A browser that several users share has one cookie with
 * a part for each of the last CD_DEVICES_IN_COOKIE.
 *
 * A wrong attempt with a valid cookie counts for the device and the address, but not for the account, and neither the
 * account's delay nor the limit of codes of a login by code alone refuses it. After CD_DEVICE_ATTEMPTS wrong attempts
 * the cookie is void for good: further ones count for the account, as a stranger's. They are counted in the store, so
 * that this holds on all nodes and after a restart, and only wrong ones are written. An attempt of a device is judged
 * only after the one before it has been counted, on each node; with N nodes, CD_DEVICE_ATTEMPTS + N - 1 simultaneous
 * guesses are possible. A login on a device clears no failures but gives the browser a new cookie; the old one, which
 * somebody may have copied, keeps its count. */
#include "core/lockout.h"
#include "core/ports.h"
#include "crypto/mac.h"
#include "crypto/random.h"
#include "crypto/seal.h"

enum {
        CD_DEVICES_IN_COOKIE = 4,
        CD_DEVICE_ID_TEXT = 22, /* characters: base64url of 16 random bytes */
        CD_DEVICE_PART = 54,    /* characters: base64url of id, time and MAC */
        CD_DEVICE_COOKIE_MAX = CD_DEVICES_IN_COOKIE * (CD_DEVICE_PART + 1),
};

/* The detail of the audit's "login.locked" for the attempt that made a cookie void. */
#define CD_DEVICE_IS_VOID "too many wrong attempts of a known device: its cookie is void"

/* Lives as long as the process. */
struct cd_known_devices {
        struct cd_store *store;
        struct cd_lockout *lockout;
        struct cd_mac *macs; /* see cd_known_device_macs_new */
        const struct cd_random *random;
};

/* The MAC of the cookies, under a key derived from the master key. NULL if memory is out. Freed with cd_mac_free. */
struct cd_mac *cd_known_device_macs_new(const struct cd_master_key *master);

/* The cookie for a browser that has completed a login of the user, in the arena; it replaces `before`, the cookie that
 * the browser sent, and keeps what that has of other users. CD_UNAVAILABLE if the random source fails. */
cd_status cd_known_device_cookie(const struct cd_known_devices *devices, struct cd_arena *arena,
                                 const struct cd_user *user, cd_str before, cd_time now, cd_str *ret,
                                 struct cd_error *reterr);

/* An attempt by a known device. */
struct cd_known_device {
        char id[CD_DEVICE_ID_TEXT];
        cd_str user;
        cd_time expires_at;
};

/* Begins an attempt to log in as the user with this cookie. `user` NULL: there is none with that name; then the same is
 * computed (LESSONS 10).
 *
 * CD_OK: the attempt is the device's, and cd_known_device_end must follow. CD_NOT_FOUND: it is a stranger's: the cookie
 * is not one of the user's, has expired, or is void. The store's errors. Waits for an attempt of the same device. */
cd_status cd_known_device_begin(const struct cd_known_devices *devices, cd_str cookie, const struct cd_user *user,
                                cd_time now, struct cd_known_device *ret, struct cd_error *reterr);
/* CD_LOCKOUT_WRONG is counted in the store before this returns; if that fails, with the store's error, this process has
 * counted it nonetheless. *ret_is_void: it was the last attempt that the device had. */
cd_status cd_known_device_end(const struct cd_known_devices *devices, const struct cd_known_device *device,
                              enum cd_lockout_outcome outcome, cd_time now, bool *ret_is_void, struct cd_error *reterr);
