#pragma once
/* Inside of the gate: what a header of a client's request means to it, by its name. */
#include "gate/route.h"

enum cd_gate_header {
        CD_GATE_HEADER_PASSED,     /* for the application alone */
        CD_GATE_HEADER_DROPPED,    /* of the connection, or one that only the gate sets */
        CD_GATE_HEADER_FROM_PROXY, /* passed if the peer is a trusted proxy (LESSONS 3) */
        CD_GATE_HEADER_FRAMING,    /* another server could read a length of the body in it */
        CD_GATE_HEADER_HOST,
        CD_GATE_HEADER_COOKIE,
        CD_GATE_HEADER_AUTHORIZATION,
        CD_GATE_HEADER_API_KEY,
        CD_GATE_HEADER_CONNECTION,
        CD_GATE_HEADER_FORWARDED_FOR,
        CD_GATE_HEADER_PREFIX,
        CD_GATE_HEADER_DESTINATION,
        CD_GATE_HEADER_CONTENT_LENGTH,
        CD_GATE_HEADER_WEB_SOCKET_KEY,
};

/* Names are compared without case, and as servers of the CGI kind read them, to which every byte but a letter or a
 * digit is the same (LESSONS 4). */
enum cd_gate_header cd_gate_header_of(cd_str name, const struct cd_gate_route *route);
/* Whether an application could take it for one of these, in whatever spelling. */
bool cd_gate_is_identity(cd_str name, const struct cd_identity_headers *identity);
