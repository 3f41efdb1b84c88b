#pragma once
/* What is limited for each route of the gate: how many requests or web sockets are open at a time, and how many
 * requests a client address may send a minute. Memory is bounded: counts exist only while something is open, and the
 * rates of addresses that were quiet for longest make room for others. Survives reloads. Thread-safe. */
#include "base/address.h"
#include "base/status.h"

struct cd_gate_limits;

enum {
        CD_GATE_RATES_MAX = 16384, /* addresses and routes whose rate is known */
};

/* NULL if memory or randomness is out. */
struct cd_gate_limits *cd_gate_limits_new(void);
void cd_gate_limits_free(struct cd_gate_limits *limits); /* NULL is fine */

struct cd_gate_open;
/* Counts one more that is open: a request (`user` empty) or a web socket. NULL if there are `max` already, or if memory
 * is out. Ended with cd_gate_limits_close. */
struct cd_gate_open *cd_gate_limits_open(struct cd_gate_limits *limits, cd_str route, cd_str user, size_t max);
void cd_gate_limits_close(struct cd_gate_limits *limits, struct cd_gate_open *open); /* NULL is fine */

/* Counts a request. `rate` requests a minute are admitted, which may come at once. Returns 0, or for how many seconds
 * the client must wait. `now_us` is monotonic. Of an IPv6 address, the network of 64 bits counts. */
int64_t cd_gate_limits_wait(struct cd_gate_limits *limits, cd_str route, const struct cd_address *address, int64_t rate,
                            int64_t now_us);
