#pragma once
/* New connections: identifies the client, takes a connection slot and determines the protocol. */
#include "http/server_internal.h"

extern const struct cd_acceptor_events cd_http_acceptor_events;
