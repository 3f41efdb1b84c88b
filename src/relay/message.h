#pragma once
/* What the relay sends to a receiver and what it gets back, in either encoding. */
#include "base/buf.h"
#include "relay/relay.h"

enum {
        CD_RELAY_MESSAGE_WIRE_MAX = 64 * 1024, /* bytes of a delivery as it is sent */
};

/* A member whose `ptr` is NULL is left out. */
struct cd_relay_delivery {
        cd_str state;
        cd_str code;
        cd_str error; /* instead of code (RFC 6749 §4.1.2.1) */
        cd_str error_description;
        cd_str data; /* of a signed state: what `cardea relay link --data` was given; state is then as it was made */
};

enum cd_relay_outcome {
        CD_RELAY_REFUSED,   /* {success: false} */
        CD_RELAY_SUCCEEDED, /* {success: true} */
        CD_RELAY_TEXT,      /* plain text, which does not say which of the two it is */
};

struct cd_relay_answer {
        enum cd_relay_outcome outcome;
        cd_str message; /* UTF-8, may be empty; has any character, so escape it where it is shown */
};

/* Appends the delivery: a pickle of protocol 2, or a line of JSON with its line feed. All members are UTF-8. A failure
 * is remembered in the builder. */
void cd_relay_write(enum cd_relay_encoding encoding, const struct cd_relay_delivery *delivery, struct cd_buf *buf);

/* A delivery that was written in one encoding, in another; *ret is in the arena or is `bytes`. CD_MALFORMED: it is
 * none. CD_NO_MEMORY. */
cd_status cd_relay_rewrite(enum cd_relay_encoding encoding, struct cd_arena *arena, cd_str bytes, cd_str *ret,
                           struct cd_error *reterr);

/* Whether an answer is complete although the receiver has not closed the connection: a line of JSON ends with its line
 * feed. All else ends where the stream ends. Called after each read. */
bool cd_relay_answer_ends(enum cd_relay_encoding encoding, cd_str bytes);

/* Reads a whole answer: {success: bool, message: str} in the encoding (message may be missing or null, other members
 * are ignored), or plain UTF-8 text. CD_MALFORMED: it is empty or neither; the reason says why, without text of the
 * answer. CD_TOO_LARGE: more than CD_RELAY_ANSWER_MAX. CD_NO_MEMORY. The message is in the arena or in `bytes`. */
cd_status cd_relay_read_answer(enum cd_relay_encoding encoding, struct cd_arena *arena, cd_str bytes,
                               struct cd_relay_answer *ret, struct cd_error *reterr);
